import { ask } from '../app/api';
import { shapes } from '../app/shapes';

export interface FeedRange {
  readonly range: string;
  readonly owner: string | null;
  readonly lagItems: number;
  readonly lagSeconds: number;
  readonly movedAt: string | null;
  /** Class of the error for which the position is held. */
  readonly problem: string | null;
  readonly failures: number;
  readonly stuckSince: string | null;
}

export interface Processor {
  readonly name: string;
  readonly feed: string;
  readonly deadLetters: number;
  readonly deadLettersCommand: string | null;
  /** None where a host of its own keeps the positions. */
  readonly ranges: readonly FeedRange[];
}

export interface Feeds {
  readonly stores: readonly { readonly store: string; readonly processors: readonly Processor[]; readonly problem: string | null }[];
  readonly now: string;
}

/** Dollars by what they are for. */
export type Shares = Readonly<Partial<Record<'writes' | 'feed' | 'reads' | 'storage' | 'signalr', number>>>;

export interface ProcessCost {
  readonly since: string;
  readonly seconds: number;
  readonly requestUnits: number;
  readonly dollars: number;
  readonly shares: Shares;
  readonly calls: number;
  /** Cosmos DB was asked: elsewhere calls have no price. */
  readonly isPriced: boolean;
  readonly alertDollars: number;
}

export interface MonthCost {
  readonly isMeasured: true;
  readonly measuredOn: string;
  /** Charges follow a documented model, and are no bill. */
  readonly isModel: boolean;
  readonly runs: number;
  readonly runsFrom: 'asked' | 'counted' | 'assumed';
  readonly retentionDays: number;
  readonly dollars: number;
  readonly shares: Shares;
  readonly messages: number;
  readonly command: string;
  readonly alertDollars: number;
}

export interface Migration {
  /** Two stores are named between which one could go on. */
  readonly isPossible: boolean;
  readonly phase: string;
  readonly next: readonly { readonly text: string; readonly command: string | null }[];
  readonly now: string;
}

export interface MigrationStatus extends Migration {
  readonly isPossible: true;
  readonly ok: boolean;
  readonly source: string | null;
  readonly target: string | null;
  readonly changedAt: string | null;
  readonly steps: readonly { readonly step: string; readonly state: 'done' | 'current' | 'ahead' }[];
  readonly daysLeft: number | null;
  readonly routes: readonly { readonly scope: string | null; readonly primary: string; readonly secondary: string | null }[];
  readonly move: { readonly kind: string; readonly stage: string } | null;
  readonly running: {
    readonly step: string;
    readonly runner: string;
    readonly beganAt: string;
    readonly interruptedSince: string | null;
  } | null;
  readonly progress: readonly Progress[];
  readonly backfill: { readonly counts: Counts; readonly endedAt: string } | null;
  readonly verification: Verification | null;
  readonly stores: readonly StoreStatus[];
  readonly commands: Readonly<Partial<Record<'routes' | 'backfill' | 'verification' | 'journal', string>>>;
}

export type Counts = Readonly<Record<string, number>>;

export interface Progress {
  readonly name: string;
  readonly done: number;
  readonly total: number | null;
  /** Records a second. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

export interface Verification {
  readonly beganAt: string;
  readonly endedAt: string;
  readonly counts: Counts;
  /** Differences that are left. */
  readonly open: number;
  /** Those kinds that differ. */
  readonly kinds: readonly { readonly kind: string; readonly counts: Counts }[];
}

export interface StoreStatus {
  readonly name: string;
  readonly problem: string | null;
  readonly isNeeded: boolean;
  readonly journal: number | null;
  readonly oldestEntry: string | null;
  readonly stuck: readonly { readonly entry: string; readonly reason: string }[];
  readonly processes: readonly {
    readonly process: string;
    readonly state: string;
    readonly flag: string | null;
    readonly problem: string | null;
  }[];
}

export const operations = {
  feeds: (signal: AbortSignal) => ask<Feeds>('feeds', {}, signal, { shape: shapes.feeds }),
  processCost: (signal: AbortSignal) => ask<ProcessCost>('cost/process', {}, signal, { shape: shapes.processCost }),
  monthCost: (runs: number | null, signal: AbortSignal) =>
    ask<MonthCost | { readonly isMeasured: false }>('cost/month', { runs: runs === null ? undefined : String(runs) }, signal, { shape: shapes.monthCost }),
  migration: (signal: AbortSignal) => ask<Migration | MigrationStatus>('migration', {}, signal, { shape: shapes.migration }),
};
