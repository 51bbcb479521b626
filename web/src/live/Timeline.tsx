import { useMemo, type MouseEvent, type ReactNode } from 'react';
import { clock, type Zone } from './time';
import css from './Timeline.module.css';
import type { Outline, Place } from './types';

const COLUMNS = 200;
const HEIGHT = 28;

interface Props {
  readonly outline: Outline | null;
  readonly zone: Zone;
  readonly onGo: (place: Place) => void;
}

interface Drawn {
  readonly from: number;
  readonly to: number;
  readonly columns: readonly number[];
  /** By column, the first error in it. */
  readonly errors: ReadonlyMap<number, Place>;
  readonly errorCount: number;
  readonly recordings: readonly { readonly recording: number; readonly at: number }[];
}

/** When a run said how much: lines as bars, errors in red, beginnings of recordings as ticks. A click goes there. */
export function Timeline({ outline, zone, onGo }: Props): ReactNode {
  const drawn = useMemo(() => draw(outline), [outline]);
  if (drawn === null) return <div className={css.timeline} />;
  const most = Math.max(...drawn.columns, 1);
  const x = (at: number): number => (drawn.to > drawn.from ? ((at - drawn.from) / (drawn.to - drawn.from)) * COLUMNS : 0);
  const onClick = (event: MouseEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = drawn.from + ((event.clientX - box.left) / box.width) * (drawn.to - drawn.from);
    const column = columnOf(at, drawn.from, drawn.to);
    const near = drawn.errors.get(column) ?? drawn.errors.get(column - 1) ?? drawn.errors.get(column + 1);
    onGo(near ?? { recording: 0, number: 0, timestamp: `${new Date(at).toISOString().slice(0, 23)}000Z` });
  };
  const label = `Lines from ${clock(new Date(drawn.from).toISOString(), zone)} to ${clock(new Date(drawn.to).toISOString(), zone)}, ${drawn.errorCount.toLocaleString('en')} ${drawn.errorCount === 1 ? 'error' : 'errors'}`;
  return (
    <svg className={css.timeline} viewBox={`0 0 ${COLUMNS} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label} onClick={onClick}>
      {drawn.columns.map(
        (count, index) =>
          count > 0 && (
            <rect
              key={index}
              className={css.bar}
              x={index}
              width={0.9}
              y={HEIGHT - Math.max(2, (count / most) * (HEIGHT - 4))}
              height={Math.max(2, (count / most) * (HEIGHT - 4))}
            />
          ),
      )}
      {drawn.recordings.map(({ recording, at }) => (
        <rect key={recording} className={css.recording} x={Math.min(x(at), COLUMNS - 0.4)} width={0.4} y={0} height={HEIGHT} />
      ))}
      {[...drawn.errors.keys()].map((column) => (
        <rect key={column} className={css.error} x={column} width={1} y={0} height={HEIGHT} />
      ))}
    </svg>
  );
}

function draw(outline: Outline | null): Drawn | null {
  const slices = outline?.slices ?? [];
  const first = slices[0];
  const last = slices.at(-1);
  if (first === undefined || last === undefined) return null;
  const from = Date.parse(first.first.timestamp);
  const to = Date.parse(last.last.timestamp);
  const columns = new Array<number>(COLUMNS).fill(0);
  const begun = new Map<number, number>();
  const errors = new Map<number, Place>();
  let errorCount = 0;
  for (const slice of slices) {
    const began = Date.parse(slice.first.timestamp);
    const width = (Date.parse(slice.last.timestamp) - began) / slice.bins.length;
    slice.bins.forEach((count, index) => {
      const column = columnOf(began + (index + 0.5) * width, from, to);
      columns[column] = columns[column]! + count;
    });
    errorCount += (slice.levels.error ?? 0) + (slice.levels.critical ?? 0);
    for (const place of slice.errors) {
      const column = columnOf(Date.parse(place.timestamp), from, to);
      if (!errors.has(column)) errors.set(column, place);
    }
    for (const recording of slice.recordings) if (!begun.has(recording)) begun.set(recording, began);
  }
  const recordings = [...begun].map(([recording, at]) => ({ recording, at })).filter(({ at }) => at > from);
  return { from, to, columns, errors, errorCount, recordings };
}

function columnOf(at: number, from: number, to: number): number {
  const share = to > from ? (at - from) / (to - from) : 0;
  return Math.min(COLUMNS - 1, Math.max(0, Math.floor(share * COLUMNS)));
}
