/** Return what a folded traceback shows: its last line, and how many frames lead to it. */
export function folded(traceback: string): { last: string; frames: number } {
  const lines = traceback.trimEnd().split('\n');
  const frames = lines.filter((line) => /^\s+File ".*", line \d+/.test(line) || /^\s+at .+/.test(line)).length;
  const last = lines.findLast((line) => line.trim() !== '') ?? '';
  return { last: last.trim(), frames };
}
