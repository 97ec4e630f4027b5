/**
 * The JSON that RocketMQ's brokers keep in `config/`: standard, but for integer keys without quotes (`{0:12,1:5}`).
 *
 * Objects become Maps, so that no name in a file can reach a prototype and the two kinds of keys stay apart: a quoted key is a
 * string, an unquoted one a number. Integers beyond 2^53 become BigInt, keys too. Hence what was read can be changed in part and written back
 * without loss. Depth and size are bounded; the parser throws SyntaxError and nothing else.
 */
export type JsonKey = string | number | bigint;
export type JsonObject = Map<JsonKey, JsonValue>;
export type JsonValue = null | boolean | number | bigint | string | JsonValue[] | JsonObject;

export interface JsonLimits {
  /** 64 MiB */
  readonly bytesMax?: number;
  /** 64 */
  readonly depthMax?: number;
}

const numberCharactersMax = 400;
const numberPattern = /-?\d+(\.\d+)?([eE][+-]?\d+)?/y;
const keyPattern = /-?\d+/y;
/** A character that ends a run of plain text in a string. */
const stringStop = /["\\]/g;
const escapes: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/** Throws SyntaxError for whatever is not this JSON, too large, or nested too deeply. */
export function parseRocketmqJson(source: string | Uint8Array, limits: JsonLimits = {}): JsonValue {
  const { bytesMax = 64 * 1_048_576, depthMax = 64 } = limits;
  if (source.length > bytesMax) throw new SyntaxError(`JSON of ${source.length} bytes, at most ${bytesMax} are allowed`);
  return new Parser(typeof source === 'string' ? source : textOf(source), depthMax).parse();
}

function textOf(source: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(source);
  } catch (cause) {
    throw new SyntaxError('JSON is not UTF-8', { cause });
  }
}

class Parser {
  readonly #text: string;
  readonly #depthMax: number;
  #at = 0;
  #depth = 0;

  constructor(text: string, depthMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
  }

  parse(): JsonValue {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#fault('nothing more');
    return value;
  }

  #fault(expected: string): SyntaxError {
    return new SyntaxError(`JSON: expected ${expected} at character ${this.#at}`);
  }

  #skipSpace(): void {
    for (; this.#at < this.#text.length; this.#at += 1) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x09 && unit !== 0x0a && unit !== 0x0d) return;
    }
  }

  #value(): JsonValue {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#nested(() => this.#object());
      case '[':
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #nested<T>(parse: () => T): T {
    this.#depth += 1;
    if (this.#depth > this.#depthMax) throw this.#fault(`a depth of at most ${this.#depthMax}`);
    this.#at += 1;
    const value = parse();
    this.#depth -= 1;
    return value;
  }

  /** Takes the character if it comes next, after space. */
  #take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #object(): JsonObject {
    const object: JsonObject = new Map();
    if (this.#take('}')) return object;
    do {
      const key = this.#key();
      if (!this.#take(':')) throw this.#fault('a colon');
      object.set(key, this.#value());
    } while (this.#take(','));
    if (!this.#take('}')) throw this.#fault('a comma or }');
    return object;
  }

  #array(): JsonValue[] {
    const array: JsonValue[] = [];
    if (this.#take(']')) return array;
    do array.push(this.#value());
    while (this.#take(','));
    if (!this.#take(']')) throw this.#fault('a comma or ]');
    return array;
  }

  #key(): JsonKey {
    this.#skipSpace();
    if (this.#text[this.#at] === '"') return this.#string();
    return integerOf(this.#match(keyPattern, 'a key')[0]);
  }

  #number(): number | bigint {
    const match = this.#match(numberPattern, 'a value');
    return match[1] === undefined && match[2] === undefined ? integerOf(match[0]) : Number(match[0]);
  }

  #match(pattern: RegExp, expected: string): RegExpExecArray {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) throw this.#fault(expected);
    if (match[0].length > numberCharactersMax) throw this.#fault(`a number of at most ${numberCharactersMax} characters`);
    this.#at += match[0].length;
    return match;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#fault('a value');
    this.#at += word.length;
    return value;
  }

  #string(): string {
    const parts: string[] = [];
    for (let start = this.#at + 1; ; start = this.#at) {
      stringStop.lastIndex = start;
      const stop = stringStop.exec(this.#text);
      if (stop === null) throw this.#fault('the end of a string');
      parts.push(this.#text.slice(start, stop.index));
      this.#at = stop.index + 1;
      if (stop[0] === '"') return parts.length === 1 ? (parts[0] ?? '') : parts.join('');
      parts.push(this.#escape());
    }
  }

  #escape(): string {
    const character = this.#text[this.#at] ?? '';
    const plain = escapes.get(character);
    if (plain !== undefined) {
      this.#at += 1;
      return plain;
    }
    const digits = this.#text.slice(this.#at + 1, this.#at + 5);
    if (character !== 'u' || !/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#fault('an escape sequence');
    this.#at += 5;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }
}

function integerOf(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(text);
}

/** The object that `parent` has under `name`; one is made where there is none, or something else. */
export function objectIn(parent: JsonObject, name: string): JsonObject {
  const known = parent.get(name);
  if (known instanceof Map) return known;
  const fresh: JsonObject = new Map();
  parent.set(name, fresh);
  return fresh;
}

/**
 * Text as a broker writes it: indented by tabs, keys in order, integer keys without quotes and in one line, no line break at
 * the end. TypeError for a number that JSON does not have.
 */
export function writeRocketmqJson(value: JsonValue): string {
  return written(value, '\n');
}

/** `newLine`: the line break and the indentation of where the value stands. */
function written(value: JsonValue, newLine: string): string {
  if (value instanceof Map) return writtenObject(value, newLine);
  if (Array.isArray(value)) return `[${value.map((item) => written(item, `${newLine}\t`)).join(',')}]`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`JSON has no number ${value}`);
  return String(value);
}

function writtenObject(object: JsonObject, newLine: string): string {
  if (object.size === 0) return '{}';
  const inner = `${newLine}\t`;
  const entries = [...object]
    .sort(([a], [b]) => compareKeys(a, b))
    .map(([key, value]) => {
      const head = typeof key === 'string' ? inner + JSON.stringify(key) : String(key);
      return `${head}:${written(value, inner)}`;
    });
  return `{${entries.join(',')}${newLine}}`;
}

/** Integers before text, each kind in its own order. */
function compareKeys(a: JsonKey, b: JsonKey): number {
  if (typeof a === 'string') return typeof b !== 'string' || a > b ? 1 : -1;
  if (typeof b === 'string') return -1;
  return a > b ? 1 : -1;
}
