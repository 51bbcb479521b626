import { useEffect, useRef, useState } from 'react';
import { rank, type LogLine } from './types';

const EVERY = 5_000;

/** What is said to those who do not see the log: at most every five seconds how many lines are new, and how many errors. */
export function useAnnouncement(arrived: number, lines: readonly LogLine[]): string {
  const [text, setText] = useState('');
  const told = useRef(arrived);
  const latest = useRef({ arrived, lines });
  useEffect(() => {
    latest.current = { arrived, lines };
  });
  useEffect(() => {
    const timer = setInterval(() => {
      const now = latest.current;
      const count = now.arrived - told.current;
      told.current = now.arrived;
      if (count <= 0) return;
      const errors = now.lines.slice(-count).filter((line) => rank(line.level) >= rank('error')).length;
      setText(`${count} new ${count === 1 ? 'line' : 'lines'}, ${errors} ${errors === 1 ? 'error' : 'errors'}`);
    }, EVERY);
    return () => clearInterval(timer);
  }, []);
  return text;
}
