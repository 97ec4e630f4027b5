/** Of a store in these tests: small, so that a few hundred messages roll every kind of file. */
export interface Capacities {
  readonly segmentBytes: number;
  readonly queueEntriesPerFile: number;
  readonly indexSlotCount: number;
  readonly indexEntryCount: number;
}

export const capacities: Capacities = { segmentBytes: 65_536, queueEntriesPerFile: 20, indexSlotCount: 100, indexEntryCount: 200 };
