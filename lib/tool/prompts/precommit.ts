import { jsonOutput, type Prompt } from "./prompt.ts";

/** For `precommit`: the last look at a change before it is committed. */
export const PRECOMMIT: Prompt = {
  name: "precommit",
  version: 1,
  role: "You decide whether a change to a repository is fit to be committed as it is.",
  method: [
    "Read the diff as a whole: what does it mean to do, and does it do that and nothing else?",
    "For each hunk ask what relied on the old behaviour: callers, stored data, tests, configuration, docs.",
    "Look for what a diff does not show: a caller not updated, a migration not written, a test not added, a new file " +
    "not added to version control.",
    "Look for what must not be committed: secrets, debug output, disabled tests, unrelated edits, generated files.",
    "Judge only the change and what it touches; leave older faults alone unless the change makes them worse.",
  ],
  output: jsonOutput(`{
  "verdict": "commit|fix_first",
  "summary": "what the change does, in two sentences",
  "issues": [{"severity": "critical|high|medium|low", "title": "…", "location": "path:line", "problem": "…", "fix": "…",
    "blocks_commit": true}],
  "missing": ["tests, docs, migrations, call sites that should be part of this change"],
  "regression_risks": [{"area": "…", "why": "…", "check": "how to find out"}],
  "commit_message": "a message that says why",
  "files_needed": ["…"]
}`),
};
