import type { ReactNode } from 'react';
import css from './LogPanel.module.css';
import { countsOf } from './LogToolbar';
import { named, type LogView } from './logView';
import type { RunLogView } from './runLog';
import type { Outline } from './types';
import type { Search } from './useSearch';

export interface LogFootProps {
  readonly outline: Outline | null;
  readonly view: Pick<LogView, 'levels'>;
  readonly state: Pick<RunLogView, 'phase' | 'isFromStart' | 'isAtEnd' | 'unreadable'>;
  readonly search: Search;
  readonly isFiltered: boolean;
  readonly isFinal: boolean;
  readonly shown: number;
}

/** Says how many lines there are, which of them are shown, whether that is all, and what is missing for good. */
export function LogFoot(props: LogFootProps): ReactNode {
  return <div className={css.foot}>{footOf(props).join(' · ')}</div>;
}

export function footOf({ outline, view, state, search, isFiltered, isFinal, shown }: LogFootProps): string[] {
  const levels = named(view.levels);
  const missing = missingOf(outline, state.unreadable, isFinal);
  if (isFiltered) {
    const searched = search.error !== null ? 'the search failed' : search.isCut ? 'there are more' : search.isDone ? 'all searched' : 'searching…';
    return [counted(shown, 'matching line'), levels, searched, ...missing];
  }
  if (state.phase === 'loading' && shown === 0) return ['reading…'];
  if (state.phase === 'failed') return ['not read'];
  const counts = countsOf(outline);
  const total = Math.max(shown, view.levels.reduce((sum, level) => sum + (counts[level] ?? 0), 0));
  const lines = outline?.isLast ? counted(total, 'line') : `${total.toLocaleString('en')}+ lines`;
  const isAll = state.isFromStart && state.isAtEnd;
  return [lines, levels, isAll ? 'all loaded' : `${shown.toLocaleString('en')} loaded`, ...missing];
}

function missingOf(outline: Outline | null, unreadable: number, isFinal: boolean): string[] {
  const parts: string[] = [];
  const dropped = droppedOf(outline);
  if (dropped > 0) parts.push(`${counted(dropped, 'item')} ${dropped === 1 ? 'was' : 'were'} dropped`);
  if (unreadable > 0) parts.push(`${counted(unreadable, 'part')} cannot be read`);
  const { ended } = outline ?? {};
  if (isFinal && outline?.isLast && ended !== undefined) {
    const cut = new Set(outline.slices.flatMap((slice) => slice.recordings).filter((recording) => ended[recording] === undefined));
    for (const recording of [...cut].slice(0, 3)) parts.push(`the end of recording ${recording + 1} has not come`);
  }
  return parts;
}

/** What a recording says at its end holds; until then, what its lines say. */
function droppedOf(outline: Outline | null): number {
  const told = new Map<string, number>();
  for (const slice of outline?.slices ?? []) {
    for (const [recording, count] of Object.entries(slice.dropped ?? {})) told.set(recording, (told.get(recording) ?? 0) + count);
  }
  for (const [recording, count] of Object.entries(outline?.ended ?? {})) told.set(recording, count);
  return [...told.values()].reduce((sum, count) => sum + count, 0);
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}
