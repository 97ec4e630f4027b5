import type { BenchRun } from '../../bench/page/figures.js';

/** A run with everything that a page can show; the figures are made up. */
export const sampleRun: BenchRun = {
  startedAt: '2026-01-02T03:04:05.678Z',
  durationMs: 600_000,
  selection: 'usual',
  environment: {
    time: '2026-01-02T03:04:05.678Z',
    commit: 'abcdef',
    node: 'v20.19.0',
    v8: '11.3',
    platform: 'linux x64',
    kernel: '6.1',
    cpuModel: 'A <processor> & more',
    coreCount: 2,
    memoryBytes: 24e9,
    fileSystem: 'ext4 on disk at / (rw)',
  },
  loadAverage: { before: 0.25, after: 2 },
  failures: ['compare: somebody in sync-1: 3 of 4 messages are read'],
  sections: [
    {
      name: 'first',
      title: 'First of all',
      about: ['What it is.', 'And why </script> does no harm.'],
      commands: ['npm run bench:append -- --rounds 1'],
      charts: [
        {
          title: 'Messages in a second',
          better: 'more',
          x: { label: 'bytes', unit: 'bytes', scale: 'log' },
          y: { label: 'messages a second', unit: 'messages/s', scale: 'log' },
          lines: [
            {
              name: 'stratalog',
              points: [
                [16, 1_234_567],
                [100, 1_000_000],
              ],
            },
            { name: 'bare', points: [[16, 2_000_000]] },
          ],
        },
        {
          title: 'Time of a call',
          better: 'less',
          x: { label: 'share', unit: 'percent', scale: 'linear' },
          y: { label: 'time', unit: 'us', scale: 'log' },
          lines: [
            {
              name: 'async',
              points: [
                [50, 10],
                [99, 20],
                [100, 300],
              ],
            },
          ],
        },
      ],
      bars: [
        {
          title: 'Side by side',
          unit: 'messages/s',
          better: 'more',
          bars: [
            { name: 'stratalog', value: 20 },
            { name: 'another', value: 10 },
          ],
        },
      ],
      tables: [
        {
          title: 'In numbers',
          columns: [
            { title: 'who', unit: 'text' },
            { title: 'rate', unit: 'messages/s' },
            { title: 'memory', unit: 'bytes' },
            { title: 'time', unit: 'us' },
            { title: 'share', unit: 'ratio' },
          ],
          rows: [
            ['a|b', 1_234_567, 123_456_789, 1_500, 1.256],
            ['nobody', null, null, null, null],
          ],
        },
      ],
    },
    {
      name: 'second',
      title: 'And then',
      about: ['Bars alone.'],
      commands: ['npm run bench:limits'],
      charts: [],
      bars: [{ title: 'Limits', unit: 'bytes/s', better: 'neither', bars: [{ name: 'copy', value: 9_876_543_210 }] }],
      tables: [],
    },
  ],
};
