import { isIP } from 'node:net';
import { outOfRange, wrongType } from './refusals.js';

export interface HostAddress {
  readonly address: string;
  readonly port: number;
}

/** A host as records hold it: one (IPv4) or four (IPv6) 32-bit words, and the port. */
export interface EncodedHost {
  readonly isIPv6: boolean;
  readonly words: Int32Array;
  readonly port: number;
  /** Address and port in upper-case hex: the first part of a message id. */
  readonly hex: string;
}

/** `argument` names the host in errors. TypeError, or RangeError for what is no address (names are not looked up) and no port. */
export function encodeHost(host: HostAddress, argument: string): EncodedHost {
  if (typeof host !== 'object' || host === null) throw wrongType(argument, 'an object { address, port }', host);
  const { address, port } = host;
  if (typeof address !== 'string') throw wrongType(`${argument}.address`, 'a string', address);
  if (typeof port !== 'number') throw wrongType(`${argument}.port`, 'a number', port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw outOfRange(`${argument}.port`, 'an integer from 0 to 65535', port);
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0) throw outOfRange(`${argument}.address`, 'an IPv4 or IPv6 address', address);
  const words = family === 4 ? Int32Array.of(ipv4Word(address)) : ipv6Words(address);
  return { isIPv6: family === 6, words, port, hex: hostHex(words, port) };
}

function hostHex(words: Int32Array, port: number): string {
  let hex = '';
  for (const word of words) hex += hexOfWord(word);
  return hex + hexOfWord(port);
}

function hexOfWord(word: number): string {
  return (word >>> 0).toString(16).toUpperCase().padStart(8, '0');
}

function ipv4Word(address: string): number {
  let word = 0;
  for (const part of address.split('.')) word = (word << 8) | Number(part);
  return word;
}

/** Eight groups of 16 bits, one run of which `::` may leave out; the last two may be written as an IPv4 address. */
function ipv6Words(address: string): Int32Array {
  const [left, right] = address.split('::');
  const head = ipv6Groups(left ?? '');
  const tail = right === undefined ? [] : ipv6Groups(right);
  const groups = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Int32Array.from({ length: 4 }, (_, i) => ((groups[2 * i] ?? 0) << 16) | (groups[2 * i + 1] ?? 0));
}

function ipv6Groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const word = ipv4Word(group);
    return [word >>> 16, word & 0xffff];
  });
}

/** The address of 4 or 16 bytes as text; IPv6 with its zeros shortened (`2001:db8::1`). */
export function hostText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16));
  const zeros = longestZeroRun(groups);
  if (zeros.count < 2) return groups.join(':');
  return `${groups.slice(0, zeros.start).join(':')}::${groups.slice(zeros.start + zeros.count).join(':')}`;
}

function longestZeroRun(groups: readonly string[]): { start: number; count: number } {
  const longest = { start: 0, count: 0 };
  for (let start = 0; start < groups.length; start += 1) {
    let count = 0;
    while (groups[start + count] === '0') count += 1;
    if (count > longest.count) Object.assign(longest, { start, count });
  }
  return longest;
}
