/**
 * The parts of the page that are written by hand. They hold no measured figure: those come from result files alone, and a test
 * looks for digits here.
 */
export const introduction = `# Reliability

What this store promises, how the promises were attacked, what the attacks found, and what nobody has tried. Everything with a figure in
it is generated from result files in \`data/reliability\` (\`npm run reliability\`); a test compares this page with them.
[ORIGINAL-BUGS.md](ORIGINAL-BUGS.md) lists the bugs that the store of Apache RocketMQ had, each with the test that shows that it is not here.
`;

export const promises = `## What is promised

An append is *acknowledged* when its promise resolves. What that is worth depends on the flush mode and on what goes wrong:

| What happens | \`flush: 'sync'\` (the default) | \`flush: 'async'\` |
|---|---|---|
| The process is killed | Every acknowledged message is there. | Every acknowledged message is there. |
| The power fails | Every acknowledged message is there. | The newest may be lost: what was appended since the last completed sync began. What is lost is always the end of the log, never something in its middle. |
| The disk is full | The append is refused with \`DISK_FULL\` and leaves no trace. Reading goes on. Once space is free, appending goes on without reopening. | The same. |
| A write or a sync fails otherwise | The store goes to \`failed\`: nothing more is acknowledged, reading goes on, and the error says that the message may or may not be stored. Opening again writes the end of the log once more and syncs it before it serves any of it. | The same. |
| Bytes on the disk change | They are never returned. A read says \`CORRUPT\` and where; opening obeys the option \`recovery\`. Queues and key index are made anew from the log. | The same. |
| Two processes open one directory | One of them gets it, the other one \`STORE_LOCKED\`. The lock is free as soon as its holder has died. | The same. |

Further: a batch is stored whole or not at all; the messages of a queue are numbered without a gap; a message that was refused for good does
not come back; in \`sync\` mode a reader is given nothing that a power cut could take back; a clock that jumps changes neither the order
of messages nor what recovery finds.
`;

export const notTested = `## Open findings

None.

## What was never tested

- Power cuts of a real machine. The cuts here stop a file system on a loop device; a disk that lies about its own cache is not in them.
- Power cuts on anything but ext4, xfs and the disk in memory: not on btrfs, ZFS, overlay, NFS or other network file systems.
- Power cuts on macOS and Windows. There the tests run in memory and on the file system, without cutting anything.
- A machine that runs out of memory, and a kernel that panics.
- Running for weeks without a pause.
- Two damages of different kinds that happen at the same time as a crash, beyond what the random histories bring together.
- Hostile bytes inside \`node_modules\`, Node.js or the operating system.
- A checksum that fits by accident: the record checksum of the format has thirty-one bits.
`;
