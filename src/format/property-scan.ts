/**
 * Finds properties in their encoded form, (name 01 value 02)*, without making strings. The last 02 may be missing; an entry
 * counts only if neither name nor value is empty; of several of one name the last counts; a value may hold further 01.
 */
const separatorName = 1;
const separatorEntry = 2;

/** Where the entries of a few names that the engine itself asks for are: value starts and ends, -1 if there is none. */
export class PropertyScan {
  keysStart = -1;
  keysEnd = -1;
  tagsStart = -1;
  tagsEnd = -1;
  uniqueKeyStart = -1;
  uniqueKeyEnd = -1;
  delayStart = -1;
  delayEnd = -1;
  batchStart = -1;
  batchEnd = -1;

  /** One pass over `bytes[start, end)`. */
  scan(bytes: Buffer, start: number, end: number): void {
    this.keysStart = this.tagsStart = this.uniqueKeyStart = this.delayStart = this.batchStart = -1;
    let at = start;
    while (at < end) {
      let nameEnd = -1;
      let stop = at;
      for (; stop < end; stop += 1) {
        const byte = bytes[stop] as number;
        if (byte === separatorEntry) break;
        if (byte === separatorName && nameEnd < 0) nameEnd = stop;
      }
      if (nameEnd > at && nameEnd + 1 < stop) this.#note(bytes, at, nameEnd, stop);
      at = stop + 1;
    }
  }

  #note(bytes: Buffer, name: number, nameEnd: number, valueEnd: number): void {
    const value = nameEnd + 1;
    const length = nameEnd - name;
    if (length === 4) {
      if (isText(bytes, name, keys)) {
        this.keysStart = value;
        this.keysEnd = valueEnd;
      } else if (isText(bytes, name, tags)) {
        this.tagsStart = value;
        this.tagsEnd = valueEnd;
      }
    } else if (length === 8) {
      if (!isText(bytes, name, uniqueKey)) return;
      this.uniqueKeyStart = value;
      this.uniqueKeyEnd = valueEnd;
    } else if (length === 5) {
      if (!isText(bytes, name, delay)) return;
      this.delayStart = value;
      this.delayEnd = valueEnd;
    } else if (length === 15 && isText(bytes, name, batch)) {
      this.batchStart = value;
      this.batchEnd = valueEnd;
    }
  }
}

const keys: Buffer = Buffer.from('KEYS');
const tags: Buffer = Buffer.from('TAGS');
const uniqueKey: Buffer = Buffer.from('UNIQ_KEY');
const delay: Buffer = Buffer.from('DELAY');
const batch: Buffer = Buffer.from('STRATALOG_BATCH');

function isText(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i += 1) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** Whether `bytes[start, end)` is exactly `text`. */
export function equalsBytes(bytes: Buffer, start: number, end: number, text: Buffer): boolean {
  return end - start === text.length && isText(bytes, start, text);
}

/**
 * Goes over every entry that counts, in stored order, duplicates included:
 *
 *     for (cursor.begin(start, end); cursor.next(bytes); ) ... cursor.nameStart ... cursor.valueEnd
 */
export class PropertyCursor {
  nameStart = 0;
  nameEnd = 0;
  valueEnd = 0;
  #at = 0;
  #end = 0;

  get valueStart(): number {
    return this.nameEnd + 1;
  }

  begin(start: number, end: number): void {
    this.#at = start;
    this.#end = end;
  }

  /** Whether there is one more. */
  next(bytes: Buffer): boolean {
    const end = this.#end;
    let at = this.#at;
    while (at < end) {
      let nameEnd = at;
      while (nameEnd < end && bytes[nameEnd] !== separatorName && bytes[nameEnd] !== separatorEntry) nameEnd += 1;
      let stop = nameEnd;
      while (stop < end && bytes[stop] !== separatorEntry) stop += 1;
      if (nameEnd > at && nameEnd + 1 < stop) {
        this.nameStart = at;
        this.nameEnd = nameEnd;
        this.valueEnd = stop;
        this.#at = stop + 1;
        return true;
      }
      at = stop + 1;
    }
    return false;
  }
}

/** The bytes as a string. */
export function textOf(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start, end);
}
