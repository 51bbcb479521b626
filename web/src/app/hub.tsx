import { createContext, useContext, useEffect, useMemo, useRef, useSyncExternalStore, type ReactNode } from 'react';
import { exact, LiveHub, useNow, type HubState, type RunListener } from '../live';
import { hubPort, type Me } from './api';
import css from './Frame.module.css';

const Context = createContext<LiveHub | null>(null);

/** One connection for all pages; none where the console has no hub. */
export function HubProvider({ me, children }: { readonly me: Me; readonly children: ReactNode }): ReactNode {
  const hub = useMemo(() => (me.isLive ? new LiveHub(hubPort) : null), [me.isLive]);
  useEffect(() => {
    hub?.open();
    return () => hub?.close();
  }, [hub]);
  return <Context value={hub}>{children}</Context>;
}

export function useHub(): LiveHub | null {
  return useContext(Context);
}

/** Be told of a run, or for null of a scope's list of runs, while the component is there. */
export function useWatch(scope: string, id: string | null, listener: RunListener): void {
  const hub = useHub();
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(
    () =>
      hub?.watch(scope, id, {
        onGap: () => latest.current.onGap?.(),
        onStatus: () => latest.current.onStatus?.(),
        onVariables: (variables) => latest.current.onVariables?.(variables),
        onState: (state) => latest.current.onState?.(state),
      }),
    [hub, scope, id],
  );
}

/** Call at most once in so many milliseconds, the last time too. */
export function useThrottled(call: () => void, every: number): () => void {
  const latest = useRef(call);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const last = useRef(0);
  useEffect(() => {
    latest.current = call;
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  return useMemo(
    () => () => {
      if (timer.current !== undefined) return;
      timer.current = setTimeout(
        () => {
          timer.current = undefined;
          last.current = performance.now();
          latest.current();
        },
        Math.max(0, last.current + every - performance.now()),
      );
    },
    [every],
  );
}

const OFF: HubState = { phase: 'off', since: 0, transport: null, lag: null, wasLive: false };
const NEVER = (): (() => void) => () => undefined;

/** How the page learns what happens. */
export function useHubState(): HubState {
  const hub = useHub();
  return useSyncExternalStore(hub?.subscribe ?? NEVER, hub?.snapshot ?? (() => OFF));
}

/** Whether what is shown is pushed or read; on hover since when, how, and how late. */
export function ConnectionBadge({ me }: { readonly me: Me }): ReactNode {
  const state = useHubState();
  useNow(true);
  const words = { live: 'Live', connecting: state.wasLive ? 'Reconnecting…' : 'Connecting…', off: 'Reading every 5 s' }[state.phase];
  const since = state.since === 0 ? 'This console has no hub' : `Since ${exact(new Date(state.since).toISOString(), 'local')}`;
  const details = [since, state.transport, state.lag === null ? null : `lines arrive ${state.lag} ms after they were written`, ...me.places];
  return (
    <div className={css.connection} title={details.filter(Boolean).join('\n')} role="status">
      <span className={`${css.dot} ${css[state.phase]}`} aria-hidden="true" />
      <span>{words}</span>
    </div>
  );
}
