/** Of the named tests those that run on the machine: none of the others comes near `src/platform`. */
export const machineTests: readonly string[] = [
  'test/platform',
  'test/contract/process.test.ts',
  'test/key-index/bytes.test.ts',
  'test/store/open-writer.test.ts',
  'test/store/follower/processes.test.ts',
];
