import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks';

export interface LatencyUs {
  readonly sampleCount: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

/** Pairs of a percentile and the microseconds that so many percent of the calls did not exceed. */
export type LatencyCurve = readonly (readonly [percentile: number, us: number])[];

const curvePercentiles: readonly number[] = [1, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 100];

/**
 * How long calls took. Taking a time and recording it costs about as much as a quick append, so of many calls only every `sampleEvery`th
 * is measured: which ones does not depend on how long they take.
 */
export class Latencies {
  readonly #histogram: RecordableHistogram = createHistogram({ figures: 3 });
  readonly #sampleEvery: number;
  #untilSample = 1;

  constructor(sampleEvery: number) {
    this.#sampleEvery = sampleEvery;
  }

  /** When the call begins, or 0: not measured. */
  begin(): number {
    this.#untilSample -= 1;
    if (this.#untilSample > 0) return 0;
    this.#untilSample = this.#sampleEvery;
    return performance.now();
  }

  end(begun: number): void {
    if (begun !== 0) this.#histogram.record(Math.max(1, Math.round((performance.now() - begun) * 1e6)));
  }

  /** A duration that was measured elsewhere, whatever `sampleEvery` says. */
  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * 1e6)));
  }

  /** For a drawing: how long the quickest so many percent of the calls took at most. */
  curve(): LatencyCurve {
    const histogram = this.#histogram;
    return histogram.count === 0 ? [] : curvePercentiles.map((percentile) => [percentile, histogram.percentile(percentile) / 1e3]);
  }

  summary(): LatencyUs {
    const histogram = this.#histogram;
    const at = (percentile: number): number => (histogram.count === 0 ? 0 : histogram.percentile(percentile) / 1e3);
    return {
      sampleCount: histogram.count,
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      p9999: at(99.99),
      max: histogram.count === 0 ? 0 : histogram.max / 1e3,
    };
  }
}
