import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useSearchParams } from 'wouter';
import { compact, JsonTree, plain } from '../live';
import { api, describe, type Me, type WholeRun } from './api';
import { Boundary } from './Boundary';
import { useThrottled, useWatch } from './hub';
import css from './RunPage.module.css';

const READ_EVERY = 5_000;
const LONGEST = 20_000;

interface Props {
  readonly me: Me;
  readonly run: WholeRun;
}

/** What a run has besides its log: one panel at a time, each read only while it is seen, and failing alone. */
export function RunTabs({ me, run }: Props): ReactNode {
  const [params, setParams] = useSearchParams();
  const id = useId();
  const tabs = me.isAdmin ? ['Variables', 'State', 'Result', 'Input'] : ['Result', 'Input'];
  const chosen = tabs.find((tab) => tab.toLowerCase() === params.get('tab')) ?? tabs[0]!;
  const choose = (tab: string): void =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.set('tab', tab.toLowerCase());
        return next;
      },
      { replace: true },
    );
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const next = tabs[(tabs.indexOf(chosen) + step + tabs.length) % tabs.length]!;
    choose(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  return (
    <section className={css.side} aria-label="Data of the run">
      <div role="tablist" className={css.tabs} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab}
            id={`${id}-${tab}`}
            type="button"
            role="tab"
            aria-selected={tab === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => choose(tab)}
          >
            {tab}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} className={css.panel} tabIndex={0}>
        <Boundary key={chosen} what={chosen} of={run}>
          {chosen === 'Variables' && <VariablesTab run={run} />}
          {chosen === 'State' && <StateTab run={run} />}
          {chosen === 'Result' && <ResultTab run={run} />}
          {chosen === 'Input' && <JsonTree value={run.input} label="Input" open={2} />}
        </Boundary>
      </div>
    </section>
  );
}

function VariablesTab({ run }: { readonly run: WholeRun }): ReactNode {
  const [count, setCount] = useState<number | null>(null);
  const { scope, id, isFinal } = run;
  const latest = useQuery({
    queryKey: ['variables', scope, id, isFinal],
    queryFn: ({ signal }) => api.variables(scope, id, null, signal),
    refetchInterval: isFinal ? false : READ_EVERY,
  });
  const queries = useQueryClient();
  const readAgain = useThrottled(() => void latest.refetch(), 1_000);
  useWatch(scope, id, {
    onVariables: (variables) => {
      if (variables === null) readAgain();
      else queries.setQueryData(['variables', scope, id, isFinal], variables);
    },
  });
  const chosen = useQuery({
    queryKey: ['variables', scope, id, 'count', count],
    queryFn: ({ signal }) => api.variables(scope, id, count, signal),
    enabled: count !== null,
    staleTime: Infinity,
    placeholderData: (before) => before,
  });
  const shown = count === null ? latest : chosen;
  const values = shown.data?.variables;
  const { changed, unseen, see } = useChanges(count === null ? values : undefined);
  if (shown.isError) return <Failed error={shown.error} onRetry={() => void shown.refetch()} />;
  if (shown.data === undefined) return null;
  if (shown.data === null) return <p className={css.muted}>{isFinal ? 'This run left no variables.' : 'No variables yet.'}</p>;
  const most = latest.data?.count ?? shown.data.count;
  return (
    <>
      {most > 1 && (
        <label className={css.slider}>
          <span>
            {count ?? most} of {most}
          </span>
          <input
            type="range"
            min={1}
            max={most}
            value={count ?? most}
            aria-label="Which of the run's variables"
            onChange={(event) => setCount(Number(event.target.value) === most ? null : Number(event.target.value))}
          />
        </label>
      )}
      <JsonTree value={shown.data.variables} label="Variables" changed={changed} unseen={unseen} onSeen={see} />
    </>
  );
}

/** Keys whose values have changed with the last reading, and those that changed and were not looked at since. */
function useChanges(values: Readonly<Record<string, unknown>> | undefined): {
  changed: ReadonlySet<string>;
  unseen: ReadonlySet<string>;
  see: (key: string) => void;
} {
  const before = useRef<Readonly<Record<string, unknown>> | undefined>(undefined);
  const [changed, setChanged] = useState<ReadonlySet<string>>(new Set());
  const [unseen, setUnseen] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const previous = before.current;
    before.current = values ?? previous;
    if (values === undefined || previous === undefined) return;
    const keys = Object.keys(values).filter((key) => compact(values[key]) !== compact(previous[key]));
    if (keys.length === 0) return;
    setChanged(new Set(keys));
    setUnseen((now) => new Set([...now, ...keys]));
    const timer = setTimeout(() => setChanged(new Set()), 1_000);
    return () => clearTimeout(timer);
  }, [values]);
  const see = (key: string): void => setUnseen((now) => new Set([...now].filter((one) => one !== key)));
  return { changed, unseen, see };
}

function StateTab({ run }: { readonly run: WholeRun }): ReactNode {
  const { scope, id, isFinal } = run;
  const answer = useQuery({
    queryKey: ['states', scope, id, isFinal],
    queryFn: ({ signal }) => api.states(scope, id, signal),
    refetchInterval: isFinal ? false : READ_EVERY,
  });
  useWatch(scope, id, { onState: useThrottled(() => void answer.refetch(), 500) });
  if (answer.isError) return <Failed error={answer.error} onRetry={() => void answer.refetch()} />;
  if (answer.data === undefined) return null;
  const states = answer.data.items.toReversed();
  if (states.length === 0) return <p className={css.muted}>{isFinal ? 'This run reported no state.' : 'No state yet.'}</p>;
  return (
    <>
      {states.map((state, index) => (
        <div key={`${state.recording}-${state.number}`} className={css.state}>
          <p className={css.muted}>
            {index === 0 ? 'Last state' : 'Before'} · {state.count}
          </p>
          <JsonTree value={state.state} label={`State ${state.count}`} open={index === 0 ? 2 : 0} />
        </div>
      ))}
      {answer.data.before !== null && <p className={css.muted}>The last {states.length} are shown.</p>}
    </>
  );
}

function ResultTab({ run }: { readonly run: WholeRun }): ReactNode {
  const { scope, id, isFinal } = run;
  const answer = useQuery({
    queryKey: ['result', scope, id, isFinal, run.resultType],
    queryFn: ({ signal }) => api.result(scope, id, signal),
    enabled: isFinal || run.resultType !== null,
  });
  if (!isFinal && run.resultType === null) return <p className={css.muted}>The result comes with the end of the run.</p>;
  if (answer.isError) return <Failed error={answer.error} onRetry={() => void answer.refetch()} />;
  if (answer.data === undefined) return null;
  if (answer.data === null) return <p className={css.muted}>This run has no result.</p>;
  const { type, value } = answer.data;
  if (type === 'html') {
    return <iframe className={css.frame} title="Result" sandbox="" referrerPolicy="no-referrer" src={api.resultFrame(scope, id)} />;
  }
  if (type === 'text' && typeof value === 'string') {
    return (
      <pre className={css.text}>
        {plain(value.slice(0, LONGEST))}
        {value.length > LONGEST && `\n… ${(value.length - LONGEST).toLocaleString('en')} characters more`}
      </pre>
    );
  }
  return <JsonTree value={value} label="Result" open={2} />;
}

function Failed({ error, onRetry }: { readonly error: unknown; readonly onRetry: () => void }): ReactNode {
  return (
    <div role="alert">
      <p>This could not be read: {describe(error)} The rest of the page is not concerned.</p>
      <button type="button" className={css.button} onClick={onRetry}>
        Retry
      </button>
    </div>
  );
}
