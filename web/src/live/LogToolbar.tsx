import { useEffect, useState, type ReactNode, type RefObject } from 'react';
import css from './LogToolbar.module.css';
import type { LogView } from './logView';
import type { TimeColumn } from './LogRow';
import { LEVELS, type Level, type Outline } from './types';
import type { Search } from './useSearch';

interface Props {
  readonly view: LogView;
  readonly onView: (change: Partial<LogView>) => void;
  readonly outline: Outline | null;
  readonly search: Search;
  readonly here: number;
  readonly onMatch: (step: number) => void;
  readonly onStart: () => void;
  readonly onEnd: () => void;
  readonly downloads: { readonly text: string; readonly json: string };
  readonly onCopy: () => Promise<void>;
  readonly searchBox: RefObject<HTMLInputElement | null>;
}

export function LogToolbar(props: Props): ReactNode {
  const { view, onView, outline, searchBox } = props;
  const counts = countsOf(outline);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null;
      if (event.key === '/' && !isTyping) {
        event.preventDefault();
        searchBox.current?.focus();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [searchBox]);
  return (
    <div className={css.toolbar} role="toolbar" aria-label="Log">
      <div className={css.group} role="group" aria-label="Levels">
        {LEVELS.filter((level) => level !== 'critical' || (counts.critical ?? 0) > 0 || !view.levels.includes(level)).map((level) => (
          <button
            key={level}
            type="button"
            className={`${css.level} ${css[level]}`}
            aria-pressed={view.levels.includes(level)}
            onClick={() => onView({ levels: toggled(view.levels, level) })}
          >
            {level.toUpperCase()} {outline !== null && <span>{(counts[level] ?? 0).toLocaleString('en')}</span>}
          </button>
        ))}
      </div>
      <div className={css.search} role="search">
        <input
          ref={searchBox}
          type="search"
          value={view.query}
          maxLength={200}
          placeholder="Search all lines"
          aria-label="Search all lines"
          onChange={(event) => onView({ query: event.target.value })}
          onKeyDown={(event) => {
            if (event.key === 'Enter') props.onMatch(event.shiftKey ? -1 : 1);
            if (event.key === 'Escape') onView({ query: '' });
          }}
        />
        {view.query !== '' && <Matches {...props} />}
      </div>
      <div className={css.group}>
        <IconButton
          label="Wrap"
          title="Wrap long lines"
          path="M2 4h12M2 8h9.5a2 2 0 0 1 0 4H8M9.5 10L7.5 12l2 2M2 12h2.5"
          isPressed={view.isWrapped}
          onClick={() => onView({ isWrapped: !view.isWrapped })}
        />
        <label className={css.select}>
          <span className={css.hidden}>Time of lines</span>
          <select value={view.times} onChange={(event) => onView({ times: event.target.value as TimeColumn })}>
            <option value="clock">Clock</option>
            <option value="offset">Offset</option>
            <option value="off">No time</option>
          </select>
        </label>
        <IconButton label="Top" title="To the first line (Home)" path="M3 3h10M8 13V6M5 8.5L8 5.5l3 3" onClick={props.onStart} />
        <IconButton label="End" title="To the last line (End)" path="M3 13h10M8 3v7M5 7.5l3 3 3-3" onClick={props.onEnd} />
        <CopyButton onCopy={props.onCopy} />
        <a className={css.button} href={props.downloads.text} download title="Download all lines as text">
          Text
        </a>
        <a className={css.button} href={props.downloads.json} download title="Download all lines as JSON lines">
          JSON
        </a>
      </div>
    </div>
  );
}

interface IconButtonProps {
  readonly label: string;
  readonly title: string;
  readonly path: string;
  readonly isPressed?: boolean;
  readonly onClick: () => void;
}

function IconButton({ label, title, path, isPressed, onClick }: IconButtonProps): ReactNode {
  return (
    <button type="button" className={css.icon} aria-label={label} title={title} aria-pressed={isPressed} onClick={onClick}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={path} />
      </svg>
    </button>
  );
}

function CopyButton({ onCopy }: { readonly onCopy: () => Promise<void> }): ReactNode {
  const [isDone, setIsDone] = useState(false);
  useEffect(() => {
    if (!isDone) return;
    const timer = setTimeout(() => setIsDone(false), 1_500);
    return () => clearTimeout(timer);
  }, [isDone]);
  return (
    <IconButton
      label="Copy"
      title={isDone ? 'Copied' : 'Copy the lines that are loaded'}
      path={isDone ? 'M3 8.5l3.5 3.5L13 4.5' : 'M6 6h7v7H6zM10 6V3H3v7h3'}
      onClick={() => void onCopy().then(() => setIsDone(true))}
    />
  );
}

function Matches({ search, here, onMatch, view, onView }: Props): ReactNode {
  const count = search.matches.length;
  const more = search.isCut ? '+' : search.isDone ? '' : '…';
  return (
    <>
      <span className={css.count} role="status">
        {search.error !== null ? 'failed' : `${here < 0 ? '–' : here + 1}/${count.toLocaleString('en')}${more}`}
      </span>
      <button type="button" className={css.step} aria-label="Previous match" disabled={count === 0} onClick={() => onMatch(-1)}>
        ‹
      </button>
      <button type="button" className={css.step} aria-label="Next match" disabled={count === 0} onClick={() => onMatch(1)}>
        ›
      </button>
      <button
        type="button"
        className={css.button}
        aria-pressed={view.isFiltered}
        title="Show matching lines alone"
        onClick={() => onView({ isFiltered: !view.isFiltered })}
      >
        Filter
      </button>
    </>
  );
}

export function countsOf(outline: Outline | null): Partial<Record<Level, number>> {
  const counts: Partial<Record<Level, number>> = {};
  for (const slice of outline?.slices ?? []) {
    for (const level of LEVELS) counts[level] = (counts[level] ?? 0) + (slice.levels[level] ?? 0);
  }
  return counts;
}

function toggled(levels: readonly Level[], level: Level): Level[] {
  return LEVELS.filter((one) => (one === level ? !levels.includes(one) : levels.includes(one)));
}
