import type { ReactNode } from 'react';
import css from './LogPanel.module.css';
import { countsOf } from './LogToolbar';
import { named, type LogView } from './logView';
import type { RunLogView } from './runLog';
import type { Outline } from './types';
import type { Search } from './useSearch';

interface Props {
  readonly outline: Outline | null;
  readonly view: LogView;
  readonly state: RunLogView;
  readonly search: Search;
  readonly isFiltered: boolean;
  readonly shown: number;
}

/** Says how many lines there are, which of them are shown, and whether that is all. */
export function LogFoot({ outline, view, state, search, isFiltered, shown }: Props): ReactNode {
  const parts: string[] = [];
  if (isFiltered) {
    parts.push(`${shown.toLocaleString('en')} matching lines`, named(view.levels), search.isDone ? 'all searched' : 'searching…');
  } else {
    const counts = countsOf(outline);
    const total = view.levels.reduce((sum, level) => sum + (counts[level] ?? 0), 0);
    const isCounted = outline?.isLast ?? false;
    parts.push(`${Math.max(total, shown).toLocaleString('en')}${isCounted ? '' : '+'} lines`, named(view.levels));
    const isAll = state.isFromStart && state.isAtEnd;
    parts.push(isAll ? 'all loaded' : `${shown.toLocaleString('en')} loaded`);
  }
  if (state.unreadable > 0) parts.push(`${state.unreadable} parts cannot be read`);
  return <div className={css.foot}>{parts.join(' · ')}</div>;
}
