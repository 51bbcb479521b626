import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { api, describe, type Me, type Run, type RunsPage as Page } from './api';
import { useThrottled, useWatch } from './hub';
import { PAGE, queryOf, RunFilters, filtersIn } from './RunFilters';
import { RunRow, type Usual } from './RunRow';
import css from './RunsPage.module.css';

const READ_EVERY = 5_000;
const WINDOW_NAMES: Readonly<Record<string, string>> = {
  '24h': 'the last 24 hours',
  '7d': 'the last 7 days',
  '30d': 'the last 30 days',
  '90d': 'the last 90 days',
};

export function RunsPage({ me, scope }: { readonly me: Me; readonly scope: string }): ReactNode {
  const [params, setParams] = useSearchParams();
  const [location, navigate] = useLocation();
  const filters = filtersIn(params);
  const cursor = params.get('cursor');
  const key = `${scope} ${params.toString()}`;
  const [held, setHeld] = useState<{ key: string; page: Page } | null>(null);
  const [fresh, setFresh] = useState(0);
  const answer = useQuery({
    queryKey: ['runs', scope, params.toString()],
    queryFn: ({ signal }) => api.runs(scope, queryOf(params, Math.min(500, PAGE + fresh)), signal),
    refetchInterval: READ_EVERY,
    placeholderData: keepPreviousData,
  });
  useWatch(scope, null, { onStatus: useThrottled(() => void answer.refetch(), 1_000) });
  const latest = answer.isPlaceholderData ? undefined : answer.data;
  useEffect(() => {
    if (latest !== undefined && held?.key !== key) {
      setHeld({ key, page: latest });
      setFresh(0);
    }
  }, [latest, held, key]);

  const { runs, waiting } = useMemo(() => merged(held?.page ?? answer.data, held?.key === key ? latest : undefined), [held, key, latest, answer.data]);
  useEffect(() => setFresh(waiting.length), [waiting.length]);
  const usual = useUsual(scope, filters.window ?? '7d', runs);
  useEffect(() => {
    document.title = 'Runs · bifrost';
  }, []);

  const table = useRef<HTMLTableElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step === 0) return;
    const links = [...(table.current?.querySelectorAll<HTMLElement>('a[data-run]') ?? [])];
    const next = links[links.indexOf(document.activeElement as HTMLElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };

  const page = held?.page ?? answer.data;
  return (
    <>
      <header className={css.header}>
        <h1>Runs</h1>
        {page !== undefined && (
          <span className={css.count}>
            {runs.length}
            {page.next === null && cursor === null ? '' : '+'}
          </span>
        )}
        {waiting.length > 0 && cursor === null && (
          <button type="button" className={css.fresh} onClick={() => latest && setHeld({ key, page: latest })}>
            {waiting.length} new
          </button>
        )}
      </header>
      <RunFilters me={me} filters={filters} onChange={(next) => setParams(next)} />
      {answer.isError && (
        <div className={css.strip} role="alert">
          The runs could not be read: {describe(answer.error)} {page === undefined ? '' : 'Those below are as they were last read. '}
          <button type="button" onClick={() => void answer.refetch()}>
            Retry
          </button>
        </div>
      )}
      {page !== undefined && page.unreadable > 0 && (
        <div className={css.strip} role="status">
          {page.unreadable} runs of this page cannot be read; `bifrost-store repair` names them.
        </div>
      )}
      <div className={css.table}>
        {page === undefined ? (
          !answer.isError && <Skeleton />
        ) : runs.length === 0 ? (
          <Empty filters={filters} isOlder={cursor !== null} onClear={() => navigate(location)} />
        ) : (
          <table ref={table} onKeyDown={onKeyDown}>
            <thead>
              <tr>
                <th scope="col">Status</th>
                <th scope="col">Workflow</th>
                <th scope="col" className={css.id}>
                  Id
                </th>
                <th scope="col" className={css.by}>
                  By
                </th>
                <th scope="col">Started</th>
                <th scope="col" className={css.duration}>
                  Duration
                </th>
              </tr>
            </thead>
            <tbody>
              {runs.map((run) => (
                <RunRow key={run.id} run={run} usual={usual.get(run.workflow) ?? null} />
              ))}
            </tbody>
          </table>
        )}
      </div>
      {page !== undefined && page.next !== null && (
        <div className={css.older}>
          <button
            type="button"
            onClick={() => {
              setParams((before) => {
                const next = new URLSearchParams(before);
                next.set('cursor', page.next ?? '');
                return next;
              });
              scrollTo(0, 0);
            }}
          >
            Older
          </button>
        </div>
      )}
    </>
  );
}

function Empty(props: { readonly filters: ReturnType<typeof filtersIn>; readonly isOlder: boolean; readonly onClear: () => void }): ReactNode {
  const { filters, isOlder, onClear } = props;
  const isFiltered = Object.values(filters).some((value) => value !== null);
  const what = filters.status === null ? 'runs' : `${filters.status} runs`;
  const rest = ['workflow', 'user', 'form'].some((name) => filters[name as keyof typeof filters] !== null) ? ' that these filters leave' : '';
  return (
    <div className={css.empty}>
      <p>
        No {isOlder ? 'older ' : ''}
        {what}
        {rest}
        {filters.window === null ? '' : ` in ${WINDOW_NAMES[filters.window]}`}
      </p>
      {isFiltered ? (
        <button type="button" onClick={onClear}>
          Clear filters
        </button>
      ) : (
        <p>They appear here when a workflow starts.</p>
      )}
    </div>
  );
}

function Skeleton(): ReactNode {
  return (
    <div className={css.skeleton} role="status" aria-label="Reading runs">
      {Array.from({ length: 8 }, (_, index) => (
        <div key={index} />
      ))}
    </div>
  );
}

/** Runs that are shown, as they are now; and those that came since, which wait until somebody wants them. */
function merged(shown: Page | undefined, latest: Page | undefined): { runs: readonly Run[]; waiting: readonly Run[] } {
  if (shown === undefined) return { runs: [], waiting: [] };
  if (latest === undefined || latest === shown) return { runs: shown.runs, waiting: [] };
  const now = new Map(latest.runs.map((run) => [run.id, run]));
  const known = new Set(shown.runs.map((run) => run.id));
  const newest = shown.runs[0]?.startedAt ?? '';
  const waiting = latest.runs.filter((run) => !known.has(run.id) && run.startedAt >= newest);
  return { runs: shown.runs.map((run) => now.get(run.id) ?? run), waiting };
}

/** By workflow, what its runs usually stay below: by the figures of the window that are kept, else by the runs that are listed. */
function useUsual(scope: string, window: string, runs: readonly Run[]): ReadonlyMap<string, Usual> {
  const kept = useQuery({
    queryKey: ['durations', scope, window],
    queryFn: ({ signal }) => api.durations(scope, window, signal),
    staleTime: 300_000,
    retry: false,
  });
  return useMemo(() => {
    const listed = percentiles(runs);
    const usual = new Map<string, Usual>();
    for (const { workflow } of runs) {
      const counted = kept.data?.p95Ms;
      if (counted !== undefined && Object.hasOwn(counted, workflow)) usual.set(workflow, { milliseconds: counted[workflow]!, of: WINDOW_NAMES[window] ?? window });
      else if (listed.has(workflow)) usual.set(workflow, { milliseconds: listed.get(workflow)!, of: null });
    }
    return usual;
  }, [kept.data, runs, window]);
}

/** By workflow, the duration that 95 of 100 of the listed runs stay below. */
function percentiles(runs: readonly Run[]): ReadonlyMap<string, number> {
  const all = new Map<string, number[]>();
  for (const run of runs) {
    if (run.durationMs !== null) all.set(run.workflow, [...(all.get(run.workflow) ?? []), run.durationMs]);
  }
  return new Map(
    [...all].map(([workflow, durations]) => {
      const sorted = durations.toSorted((one, other) => one - other);
      return [workflow, sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0];
    }),
  );
}
