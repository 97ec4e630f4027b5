import type { Table, Unit } from '../page/figures.js';

export interface Contest {
  readonly title: string;
  readonly unit: Unit;
  readonly rates: readonly { readonly name: string; readonly rate: number }[];
}

const own = 'stratalog';
/** The floor does not compete: it can find nothing again. */
const floor = 'bare file';

/** Every contest in which a peer was quicker, and by how much; the best peer's ratio in the others. */
export function peerWins(contests: readonly Contest[]): Table {
  const rows = contests.flatMap(({ title, unit, rates }) => {
    const ours = rates.find(({ name }) => name === own)?.rate;
    const peers = rates.filter(({ name }) => name !== own && name !== floor);
    const best = peers.reduce<Contest['rates'][number] | undefined>(
      (left, right) => (left !== undefined && left.rate >= right.rate ? left : right),
      undefined,
    );
    if (ours === undefined || ours === 0 || best === undefined) return [];
    const ahead = peers.filter(({ rate }) => rate > ours).map(({ name, rate }) => `${name} (${(rate / ours).toFixed(2)} x ours)`);
    return [[title, unit, ours, best.name, best.rate, ours / best.rate, ahead.length === 0 ? 'nobody' : ahead.join(', ')]];
  });
  return {
    title: 'Where a peer wins',
    columns: [
      { title: 'work', unit: 'text' },
      { title: 'counted in', unit: 'text' },
      { title: 'stratalog', unit: 'count', better: 'more' },
      { title: 'the best peer', unit: 'text' },
      { title: 'its rate', unit: 'count', better: 'more' },
      { title: 'stratalog against it', unit: 'ratio', better: 'more' },
      { title: 'who was quicker than stratalog', unit: 'text' },
    ],
    rows,
  };
}
