import { wordsOf } from '../base/bytes.js';
import { javaHash } from '../base/java-hash.js';
import { isWellFormed } from '../base/text.js';
import { indexHashOf } from './index-layout.js';
import { messageInvalid, tooLarge, wrongType } from './refusals.js';
import { batchPropertyBytes, batchPropertyName, checksumPropertyBytes, propertiesBytesMax } from './record-layout.js';
import { delayProperty, keysProperty, propertyUse, tagsProperty, uniqueKeyProperty } from './property-names.js';

/**
 * Validates the properties of one message by writing them, once, into scratch memory, with the key hashes on the way.
 *
 *   KEYS 01 key ( 20 key)* 02   TAGS 01 tag 02   (name 01 value 02)*   STRATALOG_BATCH 01 (21 bytes) 02
 *
 * The record checksum, the very last property, is left to the record. Invariant: every text is shorter than
 * `scratchBytes / 3` less what was written before it, so that no write can leave the scratch memory.
 */
const scratchBytes = 4 * (propertiesBytesMax + 1);
const cachedTagsMax = 4_096;
const separatorName = 1;
const separatorEntry = 2;
const space = 0x20;

interface Tag {
  readonly bytes: number;
  /** The whole entry, TAGS 01 tag 02, big-endian, filled up with zeros. */
  readonly words: Int32Array;
  readonly hash: number;
}

const keysName: number = Buffer.from(keysProperty).readInt32BE();
const batchHead: Buffer = Buffer.from(`${batchPropertyName}\x010000000000,0000000000\x02`, 'latin1');
/** Thrown and caught in here: the scratch memory, four times the limit, is used up. */
const noRoom: Error = new Error('no room for the properties');
const noTag: Tag = { bytes: 0, words: new Int32Array(0), hash: 0 };

export class PropertyWriter {
  readonly scratch: Buffer = Buffer.alloc(scratchBytes);
  readonly scratchView: DataView = new DataView(this.scratch.buffer, this.scratch.byteOffset, scratchBytes);
  /** Of what stands in `scratch` from 0. */
  bytes = 0;
  tagHash = 0;
  keyHashes: Int32Array = new Int32Array(16);
  keyCount = 0;
  /** The value of the DELAY property, `undefined` if there is none. */
  delay: string | undefined = undefined;

  readonly #systemMessages: boolean;
  readonly #checksumBytes: number;
  readonly #tags = new Map<string, Tag>();
  #lastTagText: string | undefined = undefined;
  #lastTag: Tag = noTag;
  /** Of the key written last. */
  #hash = 0;

  constructor(systemMessages: boolean, recordChecksum: boolean) {
    this.#systemMessages = systemMessages;
    this.#checksumBytes = recordChecksum ? checksumPropertyBytes : 0;
  }

  /** `keyPrefixHash` is the Java hash of `topic#`. Throws TypeError, MESSAGE_INVALID or PROPERTIES_TOO_LARGE. */
  write(keyPrefixHash: number, keys: unknown, tag: unknown, properties: unknown, isBatchHead: boolean): void {
    this.bytes = 0;
    this.keyCount = 0;
    this.tagHash = 0;
    this.delay = undefined;
    const storeBytes = this.#checksumBytes + (isBatchHead ? batchPropertyBytes : 0);
    try {
      // The unique key is indexed before all others, wherever it stands among the properties.
      if (this.#systemMessages && properties !== undefined) this.#hashUniqueKey(keyPrefixHash, properties);
      if (keys !== undefined) this.#writeKeys(keyPrefixHash, keys);
      if (tag !== undefined) this.#writeTag(tag);
      if (properties !== undefined) this.#writeProperties(properties);
    } catch (error) {
      throw error === noRoom ? propertiesTooLarge(measureProperties(keys, tag, properties) + storeBytes) : error;
    }
    if (this.bytes + storeBytes > propertiesBytesMax) throw propertiesTooLarge(this.bytes + storeBytes);
    if (isBatchHead) {
      this.scratch.set(batchHead, this.bytes);
      this.bytes += batchPropertyBytes;
    }
  }

  #writeKeys(prefixHash: number, keys: unknown): void {
    if (!Array.isArray(keys)) throw wrongType('keys', 'an array of strings', keys);
    const count = keys.length;
    if (count === 0) return;
    if (this.keyCount + count > this.keyHashes.length) this.#growKeyHashes(this.keyCount + count);
    const scratch = this.scratch;
    let at = this.bytes;
    this.scratchView.setInt32(at, keysName);
    scratch[at + 4] = separatorName;
    at += 5;
    for (let i = 0; i < count; i += 1) {
      const key: unknown = keys[i];
      if (typeof key !== 'string') throw wrongType(`keys[${i}]`, 'a string', key);
      at = this.#writeKey(key, i, at, prefixHash);
      this.keyHashes[this.keyCount] = indexHashOf(this.#hash);
      this.keyCount += 1;
      scratch[at] = space;
      at += 1;
    }
    scratch[at - 1] = separatorEntry;
    this.bytes = at;
  }

  /** Bytes and hash in one go over the characters. */
  #writeKey(key: string, index: number, at: number, prefixHash: number): number {
    const length = key.length;
    if (length === 0) throw messageInvalid(`keys[${index}]`, key, 'an empty key cannot be found');
    this.#makeRoom(length, at);
    const scratch = this.scratch;
    let hash = prefixHash;
    for (let i = 0; i < length; i += 1) {
      const unit = key.charCodeAt(i);
      if (unit <= space || unit > 0x7f) return this.#writeOddKey(key, index, at, prefixHash);
      scratch[at + i] = unit;
      hash = (Math.imul(hash, 31) + unit) | 0;
    }
    this.#hash = hash;
    return at + length;
  }

  #writeOddKey(key: string, index: number, at: number, prefixHash: number): number {
    if (key.includes(' ')) throw messageInvalid(`keys[${index}]`, key, 'a key cannot hold a space, which separates keys in the record');
    this.#hash = javaHash(key, prefixHash);
    return this.#writeOddText(key, at, 'keys', String(index));
  }

  #writeTag(tag: unknown): void {
    if (tag !== this.#lastTagText) this.#lookUpTag(tag);
    const { bytes, words, hash } = this.#lastTag;
    this.#makeRoom(bytes, this.bytes);
    const view = this.scratchView;
    const at = this.bytes;
    // The last word may write up to three bytes too many: what follows overwrites them.
    for (let i = 0; i < words.length; i += 1) view.setInt32(at + 4 * i, words[i] as number);
    this.bytes = at + bytes;
    this.tagHash = hash;
  }

  #lookUpTag(tag: unknown): void {
    if (typeof tag !== 'string') throw wrongType('tag', 'a string', tag);
    let known = this.#tags.get(tag);
    if (known === undefined) {
      if (tag === '') throw messageInvalid('tag', tag, 'an empty tag cannot be stored; leave it out');
      this.#makeRoom(tag.length + tagsProperty.length + 2, this.bytes);
      const end = this.#writeEntry(tagsProperty, tag, this.bytes, 'tag');
      const bytes = end - this.bytes;
      this.scratch.fill(0, end, end + 3);
      known = { bytes, words: wordsOf(this.scratch.subarray(this.bytes, end + 3)), hash: javaHash(tag) };
      // Long tags are rare and would make the bound on the number no bound on the memory.
      if (tag.length <= 64) {
        if (this.#tags.size >= cachedTagsMax) this.#tags.clear();
        this.#tags.set(tag, known);
      }
    }
    this.#lastTagText = tag;
    this.#lastTag = known;
  }

  #writeProperties(properties: unknown): void {
    if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) {
      throw wrongType('properties', 'an object of strings', properties);
    }
    const record = properties as Readonly<Record<string, unknown>>;
    for (const name in record) {
      if (!Object.hasOwn(record, name)) continue;
      const value = record[name];
      if (typeof value !== 'string') throw wrongType(`properties.${name}`, 'a string', value);
      if (!this.#isStored(name, value)) continue;
      this.#makeRoom(name.length + value.length + 2, this.bytes);
      this.bytes = this.#writeEntry(name, value, this.bytes, 'properties');
    }
  }

  /** Whether this property goes into the record; throws if it may not. */
  #isStored(name: string, value: string): boolean {
    const use = propertyUse(name);
    if (use !== 'free') {
      if (use === 'dropped') return false;
      if (use === 'own-field') throw messageInvalid(`properties.${name}`, value, 'has a field of its own in the message: keys, tag');
      if (use === 'unsupported') throw messageInvalid(`properties.${name}`, value, 'inner batches cannot be stored');
      if (!this.#systemMessages) {
        throw messageInvalid(`properties.${name}`, value, 'a name that RocketMQ reserves; open the store with systemMessages to use it');
      }
      if (name === delayProperty) this.delay = value;
    }
    if (name === '') throw messageInvalid('properties', name, 'readers drop a property with an empty name');
    if (value === '') throw messageInvalid(`properties.${name}`, value, 'readers drop a property with an empty value');
    return true;
  }

  #hashUniqueKey(prefixHash: number, properties: unknown): void {
    if (typeof properties !== 'object' || properties === null || !Object.hasOwn(properties, uniqueKeyProperty)) return;
    const key = (properties as Readonly<Record<string, unknown>>)[uniqueKeyProperty];
    if (typeof key !== 'string') throw wrongType(`properties.${uniqueKeyProperty}`, 'a string', key);
    this.keyHashes[0] = indexHashOf(javaHash(key, prefixHash));
    this.keyCount = 1;
  }

  #writeEntry(name: string, value: string, at: number, argument: string): number {
    let end = this.#writeText(name, at, argument, name);
    this.scratch[end] = separatorName;
    end = this.#writeText(value, end + 1, argument, name);
    this.scratch[end] = separatorEntry;
    return end + 1;
  }

  #writeText(text: string, at: number, argument: string, part: string): number {
    const scratch = this.scratch;
    const length = text.length;
    for (let i = 0; i < length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit < 3 || unit > 0x7f) return this.#writeOddText(text, at, argument, part);
      scratch[at + i] = unit;
    }
    return at + length;
  }

  /** What is not plain ASCII, or is refused. */
  #writeOddText(text: string, at: number, argument: string, part: string): number {
    const where = argument === 'tag' ? 'tag' : argument === 'keys' ? `keys[${part}]` : `properties.${part}`;
    if (text.includes('\x01') || text.includes('\x02')) {
      throw messageInvalid(where, text, 'the characters U+0001 and U+0002 separate properties in the record');
    }
    if (!isWellFormed(text)) throw messageInvalid(where, text, 'a lone surrogate cannot be stored as UTF-8');
    return at + this.scratch.write(text, at, 'utf8');
  }

  /** A text of `length` characters, up to three bytes each, may be written at `at`. If not, the message cannot be valid. */
  #makeRoom(length: number, at: number): void {
    if (at + length * 3 + batchPropertyBytes + 8 > scratchBytes) throw noRoom;
  }

  #growKeyHashes(needed: number): void {
    const grown = new Int32Array(Math.max(needed, 2 * this.keyHashes.length));
    grown.set(this.keyHashes.subarray(0, this.keyCount));
    this.keyHashes = grown;
  }
}

function propertiesTooLarge(actual: number): Error {
  return tooLarge('PROPERTIES_TOO_LARGE', 'keys, tag and properties of the message', propertiesBytesMax, actual);
}

/** The bytes that properties much too large would take; slow, only for the error. */
function measureProperties(keys: unknown, tag: unknown, properties: unknown): number {
  let bytes = typeof tag === 'string' ? tagsProperty.length + Buffer.byteLength(tag) + 2 : 0;
  if (Array.isArray(keys) && keys.length > 0) {
    bytes += keysProperty.length + 1;
    for (const key of keys) bytes += Buffer.byteLength(String(key)) + 1;
  }
  if (typeof properties !== 'object' || properties === null) return bytes;
  for (const [name, value] of Object.entries(properties)) {
    if (propertyUse(name) !== 'dropped') bytes += Buffer.byteLength(name) + Buffer.byteLength(String(value)) + 2;
  }
  return bytes;
}
