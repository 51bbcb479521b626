export type Zone = 'local' | 'utc' | 'relative';

const DATE: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'short', day: 'numeric' };
const CLOCK: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: Zone, options: Intl.DateTimeFormatOptions, name: string): Intl.DateTimeFormat {
  const key = `${zone === 'utc' ? 'utc' : 'local'} ${name}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat('en-GB', { ...options, ...(zone === 'utc' ? { timeZone: 'UTC' } : {}) });
    formats.set(key, found);
  }
  return found;
}

/** `12:03:04.123`, as precise as lines are told apart by. */
export function clock(timestamp: string, zone: Zone): string {
  return `${format(zone, CLOCK, 'clock').format(new Date(timestamp))}.${timestamp.slice(20, 23)}`;
}

/** `+1:02.345` since the run began. */
export function offset(timestamp: string, since: string): string {
  const milliseconds = Date.parse(timestamp) - Date.parse(since);
  const sign = milliseconds < 0 ? '−' : '+';
  const all = Math.abs(milliseconds);
  const hours = Math.floor(all / 3_600_000);
  const minutes = Math.floor(all / 60_000) % 60;
  const seconds = (Math.floor(all) % 60_000) / 1000;
  const head = hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}` : String(minutes);
  return `${sign}${head}:${seconds.toFixed(hours > 0 ? 0 : 3).padStart(hours > 0 ? 2 : 6, '0')}`;
}

export function exact(timestamp: string, zone: Zone): string {
  const date = new Date(timestamp);
  const name = zone === 'utc' ? ' UTC' : '';
  return `${format(zone, DATE, 'date').format(date)}, ${format(zone, CLOCK, 'clock').format(date)}${name}`;
}

/** `4 min ago`, or what the zone says. */
export function moment(timestamp: string, zone: Zone, now: number): string {
  if (zone !== 'relative') return exact(timestamp, zone);
  const seconds = Math.max(0, Math.round((now - Date.parse(timestamp)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** `850 ms`, `4.2 s`, `3 min 05 s`, `2 h 10 min`, `3 d 04 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 10_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  return `${Math.floor(hours / 24)} d ${String(hours % 24).padStart(2, '0')} h`;
}
