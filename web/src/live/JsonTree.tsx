import { useState, type ReactNode } from 'react';
import css from './JsonTree.module.css';
import { plain } from './text';

const CHILDREN_AT_ONCE = 100;
const LONGEST = 300;

interface Props {
  readonly value: unknown;
  readonly label: string;
  /** Keys at the top that have just changed, and those that changed and were not looked at. */
  readonly changed?: ReadonlySet<string>;
  readonly unseen?: ReadonlySet<string>;
  readonly onSeen?: (key: string) => void;
  /** How many levels are open at first. */
  readonly open?: number;
}

/** JSON as a tree whose branches are made when they are opened, however deep or wide it is. */
export function JsonTree({ value, label, open = 1, changed, unseen, onSeen }: Props): ReactNode {
  if (!isBranch(value)) {
    return (
      <div className={css.tree}>
        <Leaf value={value} />
      </div>
    );
  }
  return (
    <ul className={css.tree} aria-label={label}>
      <Children value={value} open={open} changed={changed} unseen={unseen} onSeen={onSeen} />
    </ul>
  );
}

interface ChildrenProps {
  readonly value: object;
  readonly open: number;
  readonly changed?: ReadonlySet<string> | undefined;
  readonly unseen?: ReadonlySet<string> | undefined;
  readonly onSeen?: ((key: string) => void) | undefined;
}

function Children({ value, open, changed, unseen, onSeen }: ChildrenProps): ReactNode {
  const [shown, setShown] = useState(CHILDREN_AT_ONCE);
  const entries = Object.entries(value);
  return (
    <>
      {entries.slice(0, shown).map(([key, child]) => (
        <Entry
          key={key}
          name={key}
          value={child}
          open={open - 1}
          isChanged={changed?.has(key) ?? false}
          isUnseen={unseen?.has(key) ?? false}
          onSeen={onSeen}
        />
      ))}
      {entries.length > shown && (
        <li>
          <button type="button" className={css.more} onClick={() => setShown(shown + CHILDREN_AT_ONCE * 10)}>
            {entries.length - shown} more
          </button>
        </li>
      )}
      {entries.length === 0 && <li className={css.muted}>empty</li>}
    </>
  );
}

interface EntryProps {
  readonly name: string;
  readonly value: unknown;
  readonly open: number;
  readonly isChanged: boolean;
  readonly isUnseen: boolean;
  readonly onSeen?: ((key: string) => void) | undefined;
}

function Entry({ name, value, open, isChanged, isUnseen, onSeen }: EntryProps): ReactNode {
  const [isOpen, setIsOpen] = useState(open > 0);
  const label = (
    <>
      <span className={css.key}>{plain(name.length > LONGEST ? `${name.slice(0, LONGEST)}…` : name)}</span>
      {isUnseen && <span className={css.dot} title="changed" aria-label="changed" role="img" />}
    </>
  );
  const seen = onSeen && isUnseen ? () => onSeen(name) : undefined;
  if (!isBranch(value)) {
    return (
      <li className={isChanged ? css.changed : undefined} onPointerEnter={seen}>
        {label}: <Leaf value={value} />
      </li>
    );
  }
  return (
    <li className={isChanged ? css.changed : undefined} onPointerEnter={seen}>
      <button type="button" className={css.toggle} aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)} onFocus={seen}>
        <span className={css.arrow} aria-hidden="true">
          {isOpen ? '▾' : '▸'}
        </span>
        {label} <span className={css.muted}>{summary(value)}</span>
      </button>
      {isOpen && (
        <ul className={css.branch}>
          <Children value={value} open={open} />
        </ul>
      )}
    </li>
  );
}

function Leaf({ value }: { readonly value: unknown }): ReactNode {
  const [isWhole, setIsWhole] = useState(false);
  if (typeof value !== 'string') return <span className={css.atom}>{JSON.stringify(value) ?? 'null'}</span>;
  const isLong = value.length > LONGEST && !isWhole;
  return (
    <span className={css.text}>
      {JSON.stringify(plain(isLong ? value.slice(0, LONGEST) : value))}
      {isLong && (
        <button type="button" className={css.more} onClick={() => setIsWhole(true)}>
          Show all {value.length.toLocaleString('en')} characters
        </button>
      )}
    </span>
  );
}

/** JSON in one line; of what is nested deeper than the browser can spell, that it is. */
export function compact(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    return '… nested too deeply';
  }
}

function isBranch(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function summary(value: object): string {
  const size = Object.keys(value).length;
  if (Array.isArray(value)) return `${size} ${size === 1 ? 'item' : 'items'}`;
  return `${size} ${size === 1 ? 'key' : 'keys'}`;
}
