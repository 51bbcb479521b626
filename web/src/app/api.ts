import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { shapes, type Shape } from './shapes';
import type { HubPort, ItemsPage, Level, Outline, RunLogSource, State, Variables } from '../live';

export interface Run {
  readonly scope: string;
  readonly id: string;
  readonly workflow: string;
  readonly form: string | null;
  readonly by: { readonly id: string; readonly name: string };
  readonly status: Status;
  readonly isFinal: boolean;
  readonly startedAt: string;
  readonly completedAt: string | null;
  readonly durationMs: number | null;
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  readonly resultType: 'json' | 'html' | 'text' | null;
}

export type Status =
  | 'Pending'
  | 'Running'
  | 'Cancelling'
  | 'Success'
  | 'Failed'
  | 'Timeout'
  | 'CompletedWithErrors'
  | 'Cancelled';

export interface WholeRun extends Run {
  readonly input: unknown;
  readonly now: string;
}

export interface RunsPage {
  readonly runs: readonly Run[];
  readonly next: string | null;
  readonly unreadable: number;
  readonly now: string;
}

export interface Me {
  readonly id: string;
  readonly name: string;
  readonly isAdmin: boolean;
  readonly scope: string;
  readonly places: readonly string[];
  /** There is a hub that tells what happens. */
  readonly isLive: boolean;
  readonly now: string;
}

export interface ScopeName {
  readonly scope: string;
  readonly name: string;
}

export interface Result {
  readonly type: 'json' | 'html' | 'text';
  readonly value: unknown;
}

/** The console did not answer with what was asked for. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly isRetryable: boolean,
    readonly requestId: string | null,
  ) {
    super(message);
  }
}

export const BASE = new URL(document.baseURI).pathname;
const TIMEOUT = 30_000;
let onSessionLost: () => void = () => undefined;

/** Be told when the session has ended. */
export function whenSessionIsLost(tell: () => void): void {
  onSessionLost = tell;
}

export function addressOf(path: string, query: Record<string, string | undefined> = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) params.set(name, value);
  const text = params.toString();
  return `${BASE}api/${path}${text === '' ? '' : `?${text}`}`;
}

interface Asking {
  readonly method?: 'GET' | 'POST';
  readonly body?: unknown;
  readonly shape?: Shape;
}

export async function ask<T>(
  path: string,
  query: Record<string, string | undefined>,
  signal?: AbortSignal,
  { method = 'GET', body, shape }: Asking = {},
): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT);
  const either = !signal ? timeout : AbortSignal.any([signal, timeout]);
  let response: Response;
  try {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    response = await fetch(addressOf(path, query), { method, signal: either, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(timeout.aborted ? 'The console takes too long to answer.' : 'The console cannot be reached.', 0, true, null);
  }
  const requestId = response.headers.get('x-request-id');
  if (response.status === 204) return undefined as T;
  const values: unknown = await response.json().catch(() => undefined);
  if (response.ok && values !== undefined && (shape?.(values) ?? true)) return values as T;
  if (response.status === 401) onSessionLost();
  const told = (values as { error?: { message?: string; isRetryable?: boolean } } | undefined)?.error;
  const message = typeof told?.message === 'string' ? told.message : `The console answered with something else (${response.status}).`;
  throw new ApiError(sentence(message), response.status, told?.isRetryable ?? response.status >= 500, requestId);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}

/** What a failure is told as. */
export function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return 'The page failed.';
  return `${error.message}${error.requestId === null ? '' : ` Request ${error.requestId}.`}`;
}

export async function openSession(token: string): Promise<void> {
  const response = await fetch(addressOf('session'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  if (!response.ok) throw new ApiError('This address is not one that this console printed; it may be of an earlier start.', 401, false, null);
}

const pathOf = (scope: string, id: string): string => `runs/${encodeURIComponent(scope)}/${encodeURIComponent(id)}`;

export const api = {
  me: (signal: AbortSignal) => ask<Me>('me', {}, signal, { shape: shapes.me }),
  scopes: (signal: AbortSignal) => ask<ScopeName[]>('scopes', {}, signal, { shape: shapes.scopes }),
  runs: (scope: string, query: Record<string, string | undefined>, signal: AbortSignal) =>
    ask<RunsPage>(`runs/${encodeURIComponent(scope)}`, query, signal, { shape: shapes.runs }),
  /** By workflow, what 95 of 100 of its runs in a window took at most, in milliseconds; only where figures are kept. */
  durations: (scope: string, window: string, signal: AbortSignal) =>
    ask<{ readonly p95Ms: Readonly<Record<string, number>> }>(`durations/${encodeURIComponent(scope)}`, { window }, signal, { shape: shapes.durations }),
  run: (scope: string, id: string, signal: AbortSignal) => ask<WholeRun>(pathOf(scope, id), {}, signal, { shape: shapes.run }),
  cancel: (scope: string, id: string) => ask<Run>(`${pathOf(scope, id)}/cancel`, {}, undefined, { method: 'POST', shape: shapes.run }),
  result: (scope: string, id: string, signal: AbortSignal) => ask<Result | null>(`${pathOf(scope, id)}/result`, {}, signal, { shape: shapes.result }),
  variables: (scope: string, id: string, count: number | null, signal: AbortSignal) =>
    ask<Variables | null>(`${pathOf(scope, id)}/variables`, { count: count === null ? undefined : String(count) }, signal, { shape: shapes.variables }),
  states: (scope: string, id: string, signal: AbortSignal) =>
    ask<ItemsPage<State>>(`${pathOf(scope, id)}/items`, { types: 'state', from: 'end', limit: '50' }, signal, { shape: shapes.states }),
  resultFrame: (scope: string, id: string) => addressOf(`${pathOf(scope, id)}/result.html`),
  downloads: (scope: string, id: string) => ({
    text: addressOf(`${pathOf(scope, id)}/log.txt`),
    json: addressOf(`${pathOf(scope, id)}/log.jsonl`),
  }),
};

/** How the page reaches the console's hub. */
export const hubPort: HubPort = {
  connect: () =>
    new HubConnectionBuilder()
      .withUrl(addressOf('hub'))
      .withAutomaticReconnect([0, 500, 1_000, 2_000, 5_000])
      .configureLogging(LogLevel.None)
      .build(),
  join: (connectionId, scope, id) =>
    ask('hub/join', {}, undefined, { method: 'POST', body: { connectionId, scope, ...(id === null ? {} : { executionId: id }) } }),
  leave: (connectionId, scope, id) =>
    ask('hub/leave', {}, undefined, { method: 'POST', body: { connectionId, scope, ...(id === null ? {} : { executionId: id }) } }),
};

/** The lines of a run by the console's API alone. */
export function polledSource(scope: string, id: string): RunLogSource {
  const path = pathOf(scope, id);
  return {
    read: ({ after, before, fromEnd, limit, level }, signal) =>
      ask<ItemsPage>(`${path}/items`, { after, before, from: fromEnd ? 'end' : undefined, limit: String(limit), level }, signal, { shape: shapes.lines }),
    find: ({ text, level, after }: { text: string; level: Level; after?: string }, signal) =>
      ask<ItemsPage>(`${path}/find`, { text, level, after, limit: '500' }, signal, { shape: shapes.lines }),
    outline: (after, signal) => ask<Outline>(`${path}/outline`, { after }, signal, { shape: shapes.outline }),
  };
}
