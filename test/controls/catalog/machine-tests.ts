/** Of the named tests those that write on the machine: few of the others come near `src/platform`. */
export const machineTests: readonly string[] = ['test/platform', 'test/contract/process.test.ts', 'test/store/open-writer.test.ts'];
