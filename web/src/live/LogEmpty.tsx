import type { ReactNode } from 'react';
import css from './LogPanel.module.css';
import { LEVELS, type Outline } from './types';
import type { LogView } from './logView';

interface Props {
  readonly outline: Outline | null;
  readonly view: LogView;
  readonly onView: (change: Partial<LogView>) => void;
  readonly isPending: boolean;
  readonly isFinal: boolean;
  /** How many lines were read. */
  readonly loaded: number;
  readonly isSearching: boolean;
  readonly isFiltered: boolean;
}

/** Says why no line is shown, and what to do about it. */
export function LogEmpty(props: Props): ReactNode {
  const total = countAll(props.outline) || props.loaded;
  let text = props.isFinal ? 'This run logged nothing' : 'Waiting for the first line…';
  if (props.isPending) text = 'This run has not begun; its lines appear here as soon as it does';
  let reset: ReactNode = null;
  if (props.isSearching) text = 'Searching…';
  else if (props.isFiltered) {
    text = `No line holds “${props.view.query}”`;
    reset = (
      <button type="button" className={css.button} onClick={() => props.onView({ query: '' })}>
        Clear search
      </button>
    );
  } else if (total > 0) {
    text = `Levels hide all ${total.toLocaleString('en')} lines`;
    reset = (
      <button
        type="button"
        className={css.button}
        onClick={() => props.onView({ levels: LEVELS })}
      >
        Reset
      </button>
    );
  }
  return (
    <div className={css.empty}>
      <p>{text}</p>
      {reset}
    </div>
  );
}

/** Stands in for lines that are being read. */
export function LogSkeleton(): ReactNode {
  return (
    <div className={css.skeleton} aria-label="Reading the log" role="status">
      {[62, 48, 71, 55, 80, 44, 66, 58].map((width) => (
        <div key={width} style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

function countAll(outline: Outline | null): number {
  return (outline?.slices ?? []).reduce(
    (sum, slice) => sum + Object.values(slice.levels).reduce((one, other) => one + other, 0),
    0,
  );
}
