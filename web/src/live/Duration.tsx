import { useEffect, useState, type ReactNode } from 'react';
import { duration } from './time';

interface Props {
  readonly startedAt: string;
  readonly completedAt: string | null;
  readonly durationMs: number | null;
  readonly isFinal: boolean;
}

/** How long a run took, or takes so far: then it ticks, unless less motion is asked for. */
export function Duration({ startedAt, completedAt, durationMs, isFinal }: Props): ReactNode {
  const now = useNow(!isFinal);
  if (durationMs !== null) return duration(durationMs);
  if (isFinal && completedAt === null) return '–';
  const end = isFinal && completedAt !== null ? Date.parse(completedAt) : now;
  return duration(Math.max(0, end - Date.parse(startedAt)));
}

/** The time, again every second, or every ten where less motion is asked for. */
export function useNow(isTicking: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isTicking) return;
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const timer = setInterval(() => setNow(Date.now()), isCalm ? 10_000 : 1_000);
    return () => clearInterval(timer);
  }, [isTicking]);
  return now;
}
