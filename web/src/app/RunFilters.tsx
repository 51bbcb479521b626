import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { Me } from './api';
import css from './RunsPage.module.css';

export const PAGE = 50;

const STATUSES: Readonly<Record<string, string>> = {
  running: 'Pending,Running,Cancelling',
  failed: 'Failed,Timeout,CompletedWithErrors',
  successful: 'Success',
  cancelled: 'Cancelled',
};
const SEGMENTS: readonly (readonly [string | null, string])[] = [
  [null, 'All'],
  ['running', 'Running'],
  ['failed', 'Failed'],
  ['successful', 'Success'],
  ['cancelled', 'Cancelled'],
];
const WINDOWS: Readonly<Record<string, number>> = { '24h': 1, '7d': 7, '30d': 30, '90d': 90 };
const TEXTS = ['workflow', 'user', 'form'] as const;

export interface Filters {
  readonly status: string | null;
  readonly workflow: string | null;
  readonly user: string | null;
  readonly form: string | null;
  readonly window: string | null;
}

/** Read the filters from an address; what is no filter is ignored. */
export function filtersIn(params: URLSearchParams): Filters {
  const known = (name: string, values: Readonly<Record<string, unknown>>): string | null => {
    const value = params.get(name);
    return value !== null && Object.hasOwn(values, value) ? value : null;
  };
  const text = (name: string): string | null => params.get(name) || null;
  return {
    status: known('status', STATUSES),
    workflow: text('workflow'),
    user: text('user'),
    form: text('form'),
    window: known('window', WINDOWS),
  };
}

/** Return what the API is asked for. */
export function queryOf(params: URLSearchParams, limit: number): Record<string, string | undefined> {
  const filters = filtersIn(params);
  const days = filters.window === null ? undefined : WINDOWS[filters.window];
  return {
    status: filters.status === null ? undefined : STATUSES[filters.status],
    workflow: filters.workflow ?? undefined,
    user: filters.user ?? undefined,
    form: filters.form ?? undefined,
    // Whole minutes: a cursor belongs to one query.
    since: days === undefined ? undefined : (params.get('since') ?? sinceOf(days)),
    cursor: params.get('cursor') ?? undefined,
    limit: String(limit),
  };
}

function sinceOf(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 16) + ':00Z';
}

interface Props {
  readonly me: Me;
  readonly filters: Filters;
  readonly onChange: (params: URLSearchParams) => void;
}

export function RunFilters({ me, filters, onChange }: Props): ReactNode {
  const first = useRef<HTMLInputElement>(null);
  const set = (change: Partial<Filters>): void => {
    const params = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...filters, ...change })) if (value !== null && value !== '') params.set(name, value);
    if (params.has('window')) params.set('since', sinceOf(WINDOWS[params.get('window')!] ?? 1));
    onChange(params);
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.closest('input, textarea, select') !== null;
      if (event.key === '/' && !isTyping) {
        event.preventDefault();
        first.current?.focus();
      }
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  const texts = TEXTS.filter((name) => name !== 'user' || me.isAdmin);
  return (
    <div className={css.filters}>
      <div className={css.segments} role="group" aria-label="Status">
        {SEGMENTS.map(([value, label]) => (
          <button key={label} type="button" aria-pressed={filters.status === value} onClick={() => set({ status: value })}>
            {label}
          </button>
        ))}
      </div>
      {texts.map((name, index) => (
        <TextFilter key={name} name={name} value={filters[name]} onSet={(value) => set({ [name]: value })} inputRef={index === 0 ? first : undefined} />
      ))}
      <select aria-label="Window" value={filters.window ?? ''} onChange={(event) => set({ window: event.target.value || null })}>
        <option value="">Any time</option>
        <option value="24h">24 hours</option>
        <option value="7d">7 days</option>
        <option value="30d">30 days</option>
        <option value="90d">90 days</option>
      </select>
    </div>
  );
}

interface TextProps {
  readonly name: string;
  readonly value: string | null;
  readonly onSet: (value: string | null) => void;
  readonly inputRef: React.RefObject<HTMLInputElement | null> | undefined;
}

function TextFilter({ name, value, onSet, inputRef }: TextProps): ReactNode {
  const [text, setText] = useState('');
  if (value !== null) {
    return (
      <button type="button" className={css.chip} onClick={() => onSet(null)} aria-label={`Remove the filter ${name} ${value}`}>
        {name}: <b>{value}</b> ×
      </button>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim() !== '') onSet(text.trim());
        setText('');
      }}
    >
      <input
        ref={inputRef}
        value={text}
        placeholder={`${name[0]!.toUpperCase()}${name.slice(1)}`}
        aria-label={`${name[0]!.toUpperCase()}${name.slice(1)}`}
        onChange={(event) => setText(event.target.value)}
        onBlur={() => {
          if (text.trim() !== '') onSet(text.trim());
        }}
      />
    </form>
  );
}
