import type { Zone } from '../live';

const WHOLE = new Intl.NumberFormat('en-GB');
const SHORT = new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 });

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** `12.4k`, for axes. */
export function short(value: number): string {
  return SHORT.format(value);
}

/** `98.2 %`; nothing of nothing. */
export function percent(value: number | null): string {
  if (value === null) return '–';
  // Not everything is not 100 %, and not nothing is not 0 %.
  return value === 100 || value === 0 ? `${value} %` : `${Math.min(99.9, Math.max(0.1, value)).toFixed(1)} %`;
}

/** `4.20 $`, and below a cent as much as can be told apart from nothing. */
export function dollars(value: number): string {
  if (value !== 0 && value < 0.01) return '< 0.01 $';
  return `${new Intl.NumberFormat('en-GB', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value)} $`;
}

export interface Change {
  /** `+12.4 %`, `−3.1 points`. */
  readonly text: string;
  readonly direction: 'up' | 'down' | 'same';
}

/** What became of a figure: in percent, or for figures that are percentages in points; null where there is nothing to compare. */
export function change(now: number | null, before: number | null, unit: '%' | 'points'): Change | null {
  if (now === null || before === null) return null;
  if (unit === '%' && before === 0) return now === 0 ? { text: '±0', direction: 'same' } : null;
  const by = unit === '%' ? (100 * (now - before)) / before : now - before;
  const size = Math.abs(by);
  if (size < 0.05) return { text: '±0', direction: 'same' };
  const text = size >= 1000 ? whole(Math.round(size)) : size.toFixed(1);
  return { text: `${by > 0 ? '+' : '−'}${text} ${unit}`, direction: by > 0 ? 'up' : 'down' };
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatted(start: string, zone: 'local' | 'utc', options: Intl.DateTimeFormatOptions): string {
  const key = `${zone} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat('en-GB', { ...options, ...(zone === 'utc' ? { timeZone: 'UTC' } : {}) });
    formats.set(key, found);
  }
  return found.format(new Date(start));
}

/** The name of a period. Hours are of the reader's zone; days begin and end in UTC, wherever the reader is. */
export function periodName(start: string, isHour: boolean, zone: Zone, length: 'short' | 'long'): string {
  if (!isHour) {
    const day: Intl.DateTimeFormatOptions = { day: 'numeric', month: 'short' };
    return formatted(start, 'utc', length === 'short' ? day : { weekday: 'short', ...day, year: 'numeric' });
  }
  const where = zone === 'utc' ? 'utc' : 'local';
  const hour: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  if (length === 'short') return formatted(start, where, hour);
  return `${formatted(start, where, { weekday: 'short', day: 'numeric', month: 'short', ...hour })}${zone === 'utc' ? ' UTC' : ''}`;
}

/** `3 s`, `4 min`, `2 h`, `5 d`: how long ago, or how long something takes still. */
export function roughly(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
