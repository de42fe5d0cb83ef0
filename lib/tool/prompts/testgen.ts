import { jsonOutput, type Prompt } from "./prompt.ts";

/** For `testgen`: tests that fail when the code is wrong. */
export const TESTGEN: Prompt = {
  name: "testgen",
  version: 1,
  role: "You write tests for code you did not write, and want to know whether it can be relied upon.",
  method: [
    "List what each unit promises: results, effects, errors. Test promises, not the way they are kept.",
    "For each find the inputs that tell right from wrong: the ordinary, the limits and one beyond, empty, repeated, " +
    "out of order, concurrent, failing dependencies, hostile text.",
    "Use the framework, helpers and naming of the tests you are shown; if there are none, the usual ones of the " +
    "language, and say so.",
    "Each test checks one thing, names it, needs no other test, no network, no clock and no sleep.",
    "Where the code looks wrong, write the test for what it should do and report it; do not bless the fault.",
  ],
  output: jsonOutput(`{
  "summary": "what is covered, and what is not worth covering",
  "framework": "…",
  "cases": [{"target": "path and function", "promise": "…", "cases": ["input and what must come of it"]}],
  "tests": [{"file": "path to write", "code": "a complete file that runs"}],
  "suspected_bugs": [{"severity": "critical|high|medium|low", "location": "path:line", "problem": "…"}],
  "files_needed": ["…"]
}`),
};
