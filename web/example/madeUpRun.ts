import type { ItemsPage, LogLine, LogListener, Outline, RunLogSource } from '../src/live';

const PAUSE = 400;

/** A run that goes on in this browser: in place of the platform's API and hub, with the same promises. */
export function madeUpRun(): RunLogSource & { readonly startedAt: string } {
  const lines: LogLine[] = [];
  const listeners = new Set<LogListener>();
  const startedAt = new Date().toISOString();
  const say = (): void => {
    const number = lines.length + 1;
    const line: LogLine = {
      recording: 0,
      number,
      timestamp: new Date().toISOString().replace('Z', '000Z'),
      level: number % 17 === 0 ? 'warning' : 'info',
      message: `user ${number} is up to date`,
    };
    lines.push(line);
    for (const listener of listeners) listener.onMessage({ recording: 0, covers: [number, number], lines: [line] });
  };
  for (let count = 0; count < 50; count += 1) say();
  setInterval(say, PAUSE);

  const page = (from: number, to: number): ItemsPage => ({
    items: lines.slice(Math.max(0, from), to),
    after: String(to),
    before: from > 0 ? String(from) : null,
    isLast: to >= lines.length,
    isLive: true,
    unreadable: 0,
    reached: { 0: to },
  });
  return {
    startedAt,
    async read({ after, before, fromEnd, limit }) {
      if (before !== undefined) return page(Number(before) - limit, Number(before));
      if (fromEnd) return page(lines.length - limit, lines.length);
      const from = Number(after ?? 0);
      return { ...page(from, Math.min(lines.length, from + limit)), before: null };
    },
    async find({ text }) {
      const items = lines.filter((line) => line.message.toLowerCase().includes(text.toLowerCase()));
      return { ...page(0, lines.length), items };
    },
    async outline(after): Promise<Outline> {
      const rest = lines.slice(Number(after ?? 0));
      const first = rest[0];
      const last = rest.at(-1);
      const cursor = String(lines.length);
      if (first === undefined || last === undefined) return { slices: [], after: cursor, isLast: true, isLive: true };
      const slice = { first, last, levels: { info: rest.length }, bins: [rest.length], errors: [], recordings: [0], after: cursor };
      return { slices: [slice], after: cursor, isLast: true, isLive: true };
    },
    listen(listener) {
      listeners.add(listener);
      listener.onLive(true);
      listener.onGap();
      return () => listeners.delete(listener);
    },
  };
}
