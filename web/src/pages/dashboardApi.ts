import { ask, type Run } from '../app/api';
import { shapes } from '../app/shapes';

export type Window = '24h' | '7d' | '30d' | '90d';
export const WINDOWS: Readonly<Record<Window, string>> = { '24h': '24 hours', '7d': '7 days', '30d': '30 days', '90d': '90 days' };
/** In addresses, where others name a scope. */
export const PLATFORM = 'platform';

export interface Figures {
  readonly runs: number;
  readonly success: number;
  /** Failed, timed out, or completed with errors. */
  readonly failed: number;
  readonly successRate: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

export interface Period {
  readonly start: string;
  /** Frozen figures change no more; incomplete ones may lack runs; absent periods were never counted. */
  readonly state: 'open' | 'frozen' | 'incomplete' | 'absent';
  readonly runs: number;
  readonly success: number;
  readonly failed: number;
}

export interface WorkflowFigures extends Figures {
  readonly name: string;
  /** Runs of each period; null where it was not counted. */
  readonly trend: readonly (number | null)[];
}

export interface Dashboard {
  readonly scope: string;
  readonly window: Window;
  readonly source: 'aggregated' | 'live';
  readonly total: Figures;
  /** Of the window before; null where the two cannot be compared. */
  readonly before: Figures | null;
  readonly series: readonly Period[];
  readonly workflows: readonly WorkflowFigures[];
  readonly others: Figures | null;
  readonly isExact: boolean;
  readonly asOf: string | null;
  /** Of whoever keeps the figures; null where that is a timer, or nobody. */
  readonly behindSeconds: number | null;
  readonly now: string;
}

export function windowIn(text: string | null): Window {
  return text !== null && Object.hasOwn(WINDOWS, text) ? (text as Window) : '7d';
}

export function readDashboard(scope: string, window: Window, signal: AbortSignal): Promise<Dashboard> {
  return ask<Dashboard>(`dashboard/${encodeURIComponent(scope)}`, { window }, signal, { shape: shapes.dashboard });
}

/** The runs of the whole platform that failed last. */
export interface PlatformFailures {
  readonly runs: readonly Run[];
  /** Scopes with failures that were not looked at, as there are very many. */
  readonly scopesLeftOut: number;
}

export function readFailures(window: Window, signal: AbortSignal): Promise<PlatformFailures> {
  return ask<PlatformFailures>('failures', { window }, signal, { shape: shapes.failures });
}
