import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import type { Zone } from '../live';
import { api, type Me } from './api';
import css from './Frame.module.css';
import { ConnectionBadge } from './hub';
import { ScopePicker } from './ScopePicker';
import { useSettings, type Theme } from './settings';

interface Props {
  readonly me: Me;
  readonly scope: string;
  readonly children: ReactNode;
}

interface PageLink {
  readonly path: string;
  readonly title: string;
  /** Of a path on 16 by 16. */
  readonly icon: string;
}

const pagesOf = (scope: string): readonly PageLink[] => [
  { path: `/runs/${scope}`, title: 'Runs', icon: 'M2 4h12M2 8h12M2 12h8' },
  { path: `/dashboard/${scope}`, title: 'Dashboard', icon: 'M2 14h12M4 11V8M8 11V3M12 11V6' },
];
const FOR_ADMINISTRATORS: readonly PageLink[] = [
  { path: '/migration', title: 'Migration', icon: 'M2 5h9l-3-3M14 11H5l3 3' },
  { path: '/feed', title: 'Feed and cost', icon: 'M2 11a3 3 0 0 1 3 3M2 7a7 7 0 0 1 7 7M2 3a11 11 0 0 1 11 11' },
];

/** What stands around every page: scope, pages, and the reader's settings. */
export function Frame({ me, scope, children }: Props): ReactNode {
  const { zone, setZone, theme, setTheme } = useSettings();
  const [location] = useLocation();
  const pages = me.isAdmin ? [...pagesOf(scope), ...FOR_ADMINISTRATORS] : pagesOf(scope);
  const scopes = useQuery({ queryKey: ['scopes'], queryFn: ({ signal }) => api.scopes(signal), staleTime: 60_000 });
  return (
    <div className={css.frame}>
      <a className={css.skip} href="#content">
        To the content
      </a>
      <nav className={css.rail} aria-label="Console">
        <ScopePicker scopes={scopes.data ?? []} scope={scope} hrefOf={(one) => `/${location.startsWith('/dashboard') ? 'dashboard' : 'runs'}/${one}`} />
        {pages.map(({ path, title, icon }) => (
          <Link key={path} href={path} className={css.item} aria-current={location.startsWith(`/${path.split('/')[1]}`) ? 'page' : undefined} title={title}>
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
              <path d={icon} />
            </svg>
            <span>{title}</span>
          </Link>
        ))}
        <div className={css.foot}>
          <ConnectionBadge me={me} />
          <label>
            <span className={css.label}>Times</span>
            <select value={zone} onChange={(event) => setZone(event.target.value as Zone)}>
              <option value="local">Local</option>
              <option value="utc">UTC</option>
              <option value="relative">Relative</option>
            </select>
          </label>
          <label>
            <span className={css.label}>Theme</span>
            <select value={theme} onChange={(event) => setTheme(event.target.value as Theme)}>
              <option value="system">System</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          </label>
        </div>
      </nav>
      <main className={css.content} id="content" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}
