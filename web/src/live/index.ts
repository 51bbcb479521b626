/** Components that show a run while it goes on: they take data and callbacks, and know nothing of where they are used. */
export { Duration, useNow } from './Duration';
export { LiveHub, liveSource, type HubPort, type HubState, type RunListener } from './hub';
export { compact, JsonTree } from './JsonTree';
export { LogPanel, type Goal, type LogPanelProps } from './LogPanel';
export { DEFAULT_VIEW, placeToText, viewFromParams, viewToParams, type LogView } from './logView';
export { RunLog, type RunLogView } from './runLog';
export { StatusBadge, StatusIcon } from './Status';
export { plain } from './text';
export * from './time';
export { Timeline } from './Timeline';
export type * from './types';
export { useOutline, useRunLog } from './useRunLog';
