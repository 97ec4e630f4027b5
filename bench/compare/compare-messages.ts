import { seededRandom } from '../common/seeded-random.js';
import type { CompareMessage } from './contestant.js';

export const compareTopic = 'compare';
export const compareQueueCount = 16;

/** Bodies are filled with noise, so that nobody gains by packing them; the first bytes tell the message's ordinal. */
const noiseSeed = 20_260;
/** More than are ever on their way at a time: a body is filled again only when its message has been stored. */
const bodyCount = 8_192;

export class CompareMessages {
  readonly #bodies: readonly Buffer[];
  readonly #keyed: boolean;

  constructor(bodyBytes: number, keyed: boolean) {
    if (bodyBytes < 8) throw new Error('a body must have room for the ordinal of its message: 8 bytes');
    const random = seededRandom(noiseSeed);
    const noise = Buffer.from(Array.from({ length: bodyBytes }, () => Math.floor(random() * 256)));
    this.#bodies = Array.from({ length: bodyCount }, () => Buffer.from(noise));
    this.#keyed = keyed;
  }

  /** Good until `bodyCount` more have been asked for. */
  message(ordinal: number): CompareMessage {
    const body = this.#bodies[ordinal % bodyCount] as Buffer;
    body.writeDoubleLE(ordinal, 0);
    const keys = this.#keyed ? [compareKey(ordinal)] : [];
    return { topic: compareTopic, queueId: ordinal % compareQueueCount, keys, body };
  }
}

export function compareKey(ordinal: number): string {
  return `order-${ordinal}`;
}

export function ordinalOf(body: Uint8Array): number {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).readDoubleLE(0);
}
