import type { EventTemplate } from './event-templates.js';

/**
 * What has been stored, from which follows what every question must find: the feed from its first event on, again and again, `count`
 * messages in all.
 */
export class StoredSoFar {
  readonly templates: readonly EventTemplate[];
  count = 0;
  recordBytes = 0;
  /** `storedAt` of the newest. */
  lastStoredAt = 0;

  constructor(templates: readonly EventTemplate[]) {
    this.templates = templates;
  }

  /** How often the event at `index` of the feed has been stored. */
  timesStored(index: number): number {
    const feedCount = this.templates.length;
    return Math.floor(this.count / feedCount) + (index < this.count % feedCount ? 1 : 0);
  }

  /** How many messages come from events that `belongs` says yes to. */
  countWhere(belongs: (template: EventTemplate) => boolean): number {
    let count = 0;
    for (const [index, template] of this.templates.entries()) if (belongs(template)) count += this.timesStored(index);
    return count;
  }
}
