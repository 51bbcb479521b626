import type { HubConnection } from '@microsoft/signalr';
import type { LogListener, LogLine, RunLogSource, State, Variables } from './types';

const TARGETS = ['executionLog', 'executionVariables', 'executionState', 'executionStatus'] as const;
const WAITS = [0, 1_000, 2_000, 5_000, 10_000, 30_000];

/** What joining a group answers; see the routes `join` and `leave` of `bifrost_store.realtime`. */
export interface Joined {
  readonly isLive: boolean;
  readonly grant: string | null;
}

export interface HubPort {
  /** Make a connection that is not started. */
  connect(): HubConnection;
  join(connectionId: string, scope: string, id: string | null): Promise<Joined>;
  leave(connectionId: string, scope: string, id: string | null): Promise<void>;
}

export interface HubState {
  /** `off`: nothing is told of, as the hub is away, or tells nothing of what is watched. */
  readonly phase: 'live' | 'connecting' | 'off';
  readonly since: number;
  readonly wasLive: boolean;
  readonly transport: string | null;
  /** Milliseconds from a line's own time to its arrival, of late. */
  readonly lag: number | null;
}

export interface RunListener extends Partial<LogListener> {
  onVariables?(variables: Variables | null): void;
  onState?(state: State | null): void;
  onStatus?(): void;
}

interface Watch {
  readonly scope: string;
  /** A run, or null: the scope's list of runs. */
  readonly id: string | null;
  readonly listener: RunListener;
  isLive: boolean;
}

interface Told {
  readonly scope: string;
  readonly executionId: string;
  readonly recording: number;
  readonly covers: readonly [number, number];
  /** Their recording is the message's. */
  readonly lines?: readonly Omit<LogLine, 'recording'>[];
  readonly variables?: Variables['variables'];
  readonly state?: unknown;
  readonly count?: number;
  readonly number?: number;
  readonly timestamp?: string;
}

/**
 * One connection for all that a page watches. It comes back by itself, joins again what was joined, and then says that
 * something may have been missed: whoever listens reads.
 */
export class LiveHub {
  private connection: HubConnection | null = null;
  private readonly watches = new Set<Watch>();
  /** By connection and what is watched. */
  private readonly joined = new Map<string, Promise<boolean>>();
  private readonly listeners = new Set<() => void>();
  private state: HubState = { phase: 'connecting', since: Date.now(), transport: null, lag: null, wasLive: false };
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;

  constructor(private readonly port: HubPort) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): HubState => this.state;

  /** Connect, and stay connected until `close`. */
  open(): void {
    void this.start();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    void this.connection?.stop();
  }

  /** Be told of a run, or for null of a scope's list of runs. Returns how to stop. */
  watch(scope: string, id: string | null, listener: RunListener): () => void {
    const watch: Watch = { scope, id, listener, isLive: false };
    this.watches.add(watch);
    void this.join(watch);
    return () => {
      this.watches.delete(watch);
      const isWatched = [...this.watches].some((one) => one.scope === scope && one.id === id);
      const connectionId = this.connection?.connectionId;
      if (!isWatched) this.joined.delete(JSON.stringify([connectionId, scope, id]));
      if (!isWatched && connectionId) void this.port.leave(connectionId, scope, id).catch(() => undefined);
    };
  }

  private async start(): Promise<void> {
    const connection = this.port.connect();
    this.connection = connection;
    for (const target of TARGETS) connection.on(target, (told: Told) => this.take(target, told));
    // What could not be sent is not here: read.
    connection.on('resync', () => this.tellOfGap());
    connection.onreconnecting(() => this.lose('connecting'));
    connection.onreconnected(() => void this.enter());
    connection.onclose(() => this.again());
    try {
      await connection.start();
      this.attempt = 0;
      await this.enter();
    } catch {
      this.again();
    }
  }

  private again(): void {
    if (this.isClosed) return;
    this.lose(this.attempt > 1 ? 'off' : 'connecting');
    clearTimeout(this.timer);
    const wait = WAITS[Math.min(this.attempt, WAITS.length - 1)]!;
    this.attempt += 1;
    // Not all of many pages at once.
    this.timer = setTimeout(() => void this.start(), wait * (0.5 + Math.random()));
  }

  private async enter(): Promise<void> {
    this.show({ phase: 'live', transport: 'WebSocket', wasLive: true });
    await Promise.all([...this.watches].map((watch) => this.join(watch)));
  }

  private async join(watch: Watch): Promise<void> {
    const connection = this.connection;
    const connectionId = connection?.connectionId;
    if (!connection || !connectionId || connection.state !== 'Connected') return;
    // Several parts of a page watch one run: one request joins for all.
    const key = JSON.stringify([connectionId, watch.scope, watch.id]);
    let joining = this.joined.get(key);
    if (joining === undefined) {
      joining = this.ask(connection, connectionId, watch);
      this.joined.set(key, joining);
    }
    let isLive = false;
    try {
      isLive = await joining;
    } catch {
      this.joined.delete(key);
    }
    if (!this.watches.has(watch) || connection.connectionId !== connectionId) return;
    this.setLive(watch, isLive);
    // Joined first, read afterwards: nothing falls between.
    if (isLive) watch.listener.onGap?.();
    else if (![...this.watches].some((one) => one.isLive)) this.show({ phase: 'off' });
  }

  private async ask(connection: HubConnection, connectionId: string, { scope, id }: Watch): Promise<boolean> {
    const { grant, isLive } = await this.port.join(connectionId, scope, id);
    return grant === null ? isLive : connection.invoke<boolean>('watch', grant);
  }

  private lose(phase: HubState['phase']): void {
    this.show({ phase, transport: null });
    this.joined.clear();
    for (const watch of this.watches) this.setLive(watch, false);
  }

  private setLive(watch: Watch, isLive: boolean): void {
    if (watch.isLive === isLive) return;
    watch.isLive = isLive;
    watch.listener.onLive?.(isLive);
    if (isLive && this.isConnected) this.show({ phase: 'live' });
  }

  private get isConnected(): boolean {
    return this.connection?.state === 'Connected';
  }

  private tellOfGap(): void {
    for (const { listener } of this.watches) {
      listener.onGap?.();
      listener.onStatus?.();
      listener.onVariables?.(null);
      listener.onState?.(null);
    }
  }

  private take(target: (typeof TARGETS)[number], told: Told): void {
    for (const { scope, id, listener } of this.watches) {
      if (scope !== told.scope || (id !== null && id !== told.executionId)) continue;
      if (target === 'executionStatus') {
        listener.onStatus?.();
        continue;
      }
      if (id === null) continue;
      const { recording, covers, lines } = told;
      const place = { recording, number: told.number ?? covers[1], timestamp: told.timestamp ?? '' };
      if (target === 'executionLog') {
        const whole = lines?.map((line) => ({ ...line, recording }));
        listener.onMessage?.(whole === undefined ? { recording, covers } : { recording, covers, lines: whole });
        this.measure(lines?.at(-1)?.timestamp);
        continue;
      }
      listener.onMessage?.({ recording, covers, lines: [] });
      const count = told.count ?? 0;
      if (target === 'executionVariables') listener.onVariables?.(told.variables === undefined ? null : { ...place, count, variables: told.variables });
      else listener.onState?.('state' in told ? { ...place, count, state: told.state } : null);
    }
  }

  private measure(timestamp: string | undefined): void {
    if (timestamp === undefined) return;
    const lag = Math.max(0, Date.now() - Date.parse(timestamp));
    this.state = { ...this.state, lag: this.state.lag === null ? lag : Math.round(this.state.lag * 0.8 + lag * 0.2) };
  }

  private show(change: Partial<HubState>): void {
    const since = change.phase === this.state.phase ? this.state.since : Date.now();
    this.state = { ...this.state, ...change, since };
    for (const listener of this.listeners) listener();
  }
}

/** A source whose new lines come through a hub; what is missing is read from *base*. */
export function liveSource(base: RunLogSource, hub: LiveHub, scope: string, id: string): RunLogSource {
  return { ...base, listen: (listener) => hub.watch(scope, id, listener) };
}
