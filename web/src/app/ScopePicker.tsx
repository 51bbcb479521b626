import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import type { ScopeName } from './api';
import css from './ScopePicker.module.css';

const RECENT = 'bifrost.scopes';
const MOST_RECENT = 5;
const MOST_SHOWN = 50;

interface Props {
  readonly scopes: readonly ScopeName[];
  readonly scope: string;
  /** Where choosing a scope leads. */
  readonly hrefOf: (scope: string) => string;
}

/** Which organization's runs are shown: type to search, those seen last come first. */
export function ScopePicker({ scopes, scope, hrefOf }: Props): ReactNode {
  const [isOpen, setIsOpen] = useState(false);
  const [text, setText] = useState('');
  const [active, setActive] = useState(0);
  const [, navigate] = useLocation();
  const root = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const name = scopes.find((one) => one.scope === scope)?.name ?? (scope === 'GLOBAL' ? 'Global' : scope.replace(/^org-/, ''));

  useEffect(() => {
    const recent = [scope, ...recentScopes().filter((one) => one !== scope)].slice(0, MOST_RECENT);
    localStorage.setItem(RECENT, JSON.stringify(recent));
    localStorage.setItem('bifrost.scope', scope);
  }, [scope]);
  useEffect(() => {
    if (!isOpen) return;
    input.current?.focus();
    const onPointerDown = (event: PointerEvent): void => {
      if (!root.current?.contains(event.target as Node)) setIsOpen(false);
    };
    document.addEventListener('pointerdown', onPointerDown);
    return () => document.removeEventListener('pointerdown', onPointerDown);
  }, [isOpen]);

  const recent = isOpen ? recentScopes() : [];
  const order = (one: ScopeName): number => (recent.includes(one.scope) ? recent.indexOf(one.scope) : recent.length);
  const wanted = text.trim().toLowerCase();
  const found = scopes
    .filter((one) => one.name.toLowerCase().includes(wanted) || one.scope.toLowerCase().includes(wanted))
    .toSorted((one, other) => order(one) - order(other))
    .slice(0, MOST_SHOWN);

  const choose = (one: ScopeName | undefined): void => {
    if (one === undefined) return;
    setIsOpen(false);
    setText('');
    navigate(hrefOf(one.scope));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') setIsOpen(false);
    else if (event.key === 'Enter') choose(found[active]);
    else if (event.key === 'ArrowDown') setActive(Math.min(active + 1, found.length - 1));
    else if (event.key === 'ArrowUp') setActive(Math.max(active - 1, 0));
    else return;
    event.preventDefault();
  };

  return (
    <div className={css.picker} ref={root}>
      <button
        type="button"
        className={css.button}
        aria-haspopup="listbox"
        aria-expanded={isOpen}
        aria-label={`Scope: ${name}`}
        title={name}
        onClick={() => setIsOpen(!isOpen)}
      >
        <span className={css.mark} aria-hidden="true" data-letter={name.slice(0, 1).toUpperCase()} />
        <span className={css.name}>{name}</span>
      </button>
      {isOpen && (
        <div className={css.popover}>
          <input
            ref={input}
            role="combobox"
            aria-expanded="true"
            aria-controls={id}
            aria-activedescendant={found.length > 0 ? `${id}-${active}` : undefined}
            aria-label="Find an organization"
            placeholder="Find an organization"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setActive(0);
            }}
            onKeyDown={onKeyDown}
          />
          <ul id={id} role="listbox" aria-label="Organizations">
            {found.map((one, index) => (
              <li
                key={one.scope}
                id={`${id}-${index}`}
                role="option"
                aria-selected={index === active}
                onPointerEnter={() => setActive(index)}
                onClick={() => choose(one)}
              >
                {one.name} <span>{one.scope}</span>
              </li>
            ))}
          </ul>
          {found.length === 0 && <p>No organization is called so.</p>}
        </div>
      )}
    </div>
  );
}

function recentScopes(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(RECENT) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
  } catch {
    return [];
  }
}
