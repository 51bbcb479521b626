import type { TimeColumn } from './LogRow';
import { LEVELS, type Level, type Place, rank } from './types';

/** How a log is looked at; all of it can stand in an address. */
export interface LogView {
  readonly levels: readonly Level[];
  readonly query: string;
  /** Show matches alone, instead of marking them. */
  readonly isFiltered: boolean;
  readonly isWrapped: boolean;
  readonly times: TimeColumn;
  /** The line that a link led to. */
  readonly line: Place | null;
}

export const DEFAULT_LEVELS: readonly Level[] = ['info', 'warning', 'error', 'critical'];
export const DEFAULT_VIEW: LogView = {
  levels: DEFAULT_LEVELS,
  query: '',
  isFiltered: false,
  isWrapped: true,
  times: 'clock',
  line: null,
};

export function leastOf(levels: readonly Level[]): Level {
  return LEVELS.find((level) => levels.includes(level)) ?? 'info';
}

/** `INFO and above`, `DEBUG and ERROR`. */
export function named(levels: readonly Level[]): string {
  if (levels.length === LEVELS.length) return 'all levels';
  if (levels.length === 0) return 'no level';
  const least = leastOf(levels);
  const isOpen = LEVELS.every((level) => rank(level) < rank(least) || levels.includes(level));
  const names = LEVELS.filter((level) => levels.includes(level)).map((level) => level.toUpperCase());
  return isOpen && names.length > 1 ? `${least.toUpperCase()} and above` : names.join(', ');
}

export function placeToText({ recording, number, timestamp }: Place): string {
  return `${recording}.${number}.${timestamp}`;
}

export function placeFromText(text: string | null): Place | null {
  const match = /^(\d{1,9})\.(\d{1,12})\.(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)$/.exec(text ?? '');
  return match && { recording: Number(match[1]), number: Number(match[2]), timestamp: match[3]! };
}

/** Read how a log is looked at from an address. */
export function viewFromParams(params: URLSearchParams): LogView {
  const levels = params.get('levels');
  const times = params.get('times');
  return {
    levels: levels === null ? DEFAULT_LEVELS : LEVELS.filter((level) => levels.split(',').includes(level)),
    query: (params.get('q') ?? '').slice(0, 200),
    isFiltered: params.get('show') === 'matches',
    isWrapped: params.get('wrap') !== 'off',
    times: times === 'offset' || times === 'off' ? times : 'clock',
    line: placeFromText(params.get('line')),
  };
}

/** Write how a log is looked at into an address; what is as by default is left out. */
export function viewToParams(view: LogView, params: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(params);
  const set = (name: string, value: string | null): void => {
    if (value === null) next.delete(name);
    else next.set(name, value);
  };
  const isDefault = view.levels.length === DEFAULT_LEVELS.length && view.levels.every((one) => DEFAULT_LEVELS.includes(one));
  set('levels', isDefault ? null : view.levels.join(','));
  set('q', view.query === '' ? null : view.query);
  set('show', view.isFiltered ? 'matches' : null);
  set('wrap', view.isWrapped ? null : 'off');
  set('times', view.times === 'clock' ? null : view.times);
  set('line', view.line === null ? null : placeToText(view.line));
  return next;
}
