import { createContext, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import type { Zone } from '../live';

export type Theme = 'system' | 'light' | 'dark';

interface Settings {
  readonly zone: Zone;
  readonly theme: Theme;
  readonly setZone: (zone: Zone) => void;
  readonly setTheme: (theme: Theme) => void;
}

const ZONES: readonly Zone[] = ['local', 'utc', 'relative'];
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const Context = createContext<Settings | null>(null);

/** What a reader chooses once for all pages; kept in this browser. */
export function SettingsProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [zone, setZone] = useKept('bifrost.zone', ZONES, 'local');
  const [theme, setTheme] = useKept('bifrost.theme', THEMES, 'system');
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  const settings = useMemo(() => ({ zone, theme, setZone, setTheme }), [zone, theme, setZone, setTheme]);
  return <Context value={settings}>{children}</Context>;
}

export function useSettings(): Settings {
  const settings = useContext(Context);
  if (settings === null) throw new Error('outside of SettingsProvider');
  return settings;
}

function useKept<T extends string>(name: string, known: readonly T[], otherwise: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    const kept = localStorage.getItem(name) as T | null;
    return kept !== null && known.includes(kept) ? kept : otherwise;
  });
  const keep = useMemo(
    () => (next: T) => {
      localStorage.setItem(name, next);
      setValue(next);
    },
    [name],
  );
  return [value, keep];
}
