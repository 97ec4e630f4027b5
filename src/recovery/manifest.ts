import { isCount, isRecord, sealJson, unsealJson } from './sealed-json.js';

/** What cannot change while the store exists. */
export interface KeptOptions {
  readonly segmentBytes: number;
  readonly queueEntriesPerFile: number;
  readonly indexSlotCount: number;
  readonly indexEntryCount: number;
}

/** A stretch of the log that we wrote with record checksum; no `to`: it is still growing. */
export interface OwnSpan {
  readonly from: number;
  readonly to: number | undefined;
}

/** `stratalog/manifest`: whose store this is and how it was made. Replaced atomically. */
export interface Manifest {
  /** 32 hex digits, random. */
  readonly storeId: string;
  readonly options: KeptOptions;
  readonly spans: readonly OwnSpan[];
}

const VERSION = 1;

export function encodeManifest(manifest: Manifest): Buffer {
  const spans = manifest.spans.map((span) => [span.from, span.to ?? null]);
  return sealJson({ version: VERSION, storeId: manifest.storeId, options: manifest.options, spans });
}

/** Undefined: no manifest of ours, or a damaged one. */
export function decodeManifest(bytes: Buffer | undefined): Manifest | undefined {
  const value = unsealJson(bytes);
  if (!isRecord(value) || value['version'] !== VERSION || !isRecord(value['options'])) return undefined;
  const { storeId, options, spans } = value;
  if (typeof storeId !== 'string' || !/^[0-9a-f]{32}$/.test(storeId) || !Array.isArray(spans) || !isRecord(options)) return undefined;
  const { segmentBytes, queueEntriesPerFile, indexSlotCount, indexEntryCount } = options;
  if (!isCount(segmentBytes) || !isCount(queueEntriesPerFile) || !isCount(indexSlotCount) || !isCount(indexEntryCount)) return undefined;
  const decoded: OwnSpan[] = [];
  for (const span of spans) {
    if (!Array.isArray(span) || !isCount(span[0]) || (span[1] !== null && !isCount(span[1]))) return undefined;
    decoded.push({ from: span[0], to: span[1] ?? undefined });
  }
  return { storeId, options: { segmentBytes, queueEntriesPerFile, indexSlotCount, indexEntryCount }, spans: decoded };
}

/** Whether a record at `offset` lies in a stretch where our checksum must match. */
export function isInSpans(spans: readonly OwnSpan[], offset: number): boolean {
  return spans.some((span) => offset >= span.from && offset < (span.to ?? Number.POSITIVE_INFINITY));
}

/** The spans, with the growing one ended at `end` and, if `growing`, a new one from there. */
export function continueSpans(spans: readonly OwnSpan[], end: number, growing: boolean): readonly OwnSpan[] {
  const ended = spans.map((span) => ({ from: span.from, to: Math.min(span.to ?? end, end) })).filter((span) => span.to > span.from);
  const last = ended.at(-1);
  if (!growing) return ended;
  // One growing span where the old one reaches up to here, so that the list does not grow with every opening.
  if (last !== undefined && last.to === end) return [...ended.slice(0, -1), { from: last.from, to: undefined }];
  return [...ended, { from: end, to: undefined }];
}
