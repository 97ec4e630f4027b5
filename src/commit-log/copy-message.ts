import type { NewMessage } from '../format/message.js';

/** A message that its caller may change while it waits; `bornAt` is the time of the call. */
export function copyMessage(message: NewMessage, nowMs: number): NewMessage {
  return {
    ...message,
    body: typeof message.body === 'string' ? message.body : Buffer.from(message.body),
    bornAt: message.bornAt === undefined ? nowMs : Number(message.bornAt),
    ...(message.keys === undefined ? {} : { keys: [...message.keys] }),
    ...(message.properties === undefined ? {} : { properties: { ...message.properties } }),
    ...(message.system === undefined ? {} : { system: structuredClone(message.system) }),
  };
}
