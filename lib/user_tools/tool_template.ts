/** The source of a new tool, as `exai-daemon new-tool` writes it. */
export function toolTemplate(name: string): string {
  return `// A tool of EXAI. Save the file and every window has the change; "exai-daemon reload" says what is wrong with it.
// It runs in its own thread with your rights: it may use everything Deno and Node.js have, and import files beside
// it (call those _helper.js, so that they are not taken for tools).
export default {
  name: ${JSON.stringify(name)},
  // For the model that chooses: what it is for, and when.
  description: "Counts the words of a text.",
  // JSON Schema of the arguments. They are checked before run is called, and defaults filled in.
  inputSchema: {
    type: "object",
    properties: {
      text: { type: "string", description: "the text to look at" },
      unit: { type: "string", enum: ["words", "lines"], default: "words" },
    },
    required: ["text"],
    additionalProperties: false,
  },
  // Whether it changes anything, and may be run again after a crash.
  annotations: { readOnlyHint: true, openWorldHint: false },

  // Gives back a text or an object; what it throws is shown to the model.
  //
  // context.cwd             the directory of the window that calls
  // context.client          its name, as "claude-code"
  // context.signal          aborted when the answer is no longer wanted
  // context.progress(n)     or ({ progress, total, message }): how far it has come
  // context.log.info(text)  into the daemon's log; debug, warning and error too
  // context.readFile(path)  a text file of the window's directories
  // context.ask(prompt)     or ({ prompt, role, files, model, ... }): a model's answer as { text, model, provider }
  run({ text, unit }, context) {
    if (text.trim() === "") throw new Error("text is empty; give some words");
    context.progress({ progress: 1, total: 1, message: "counting" });
    const count = unit === "lines" ? text.split("\\n").length : text.trim().split(/\\s+/).length;
    return { count, unit };
  },
};
`;
}
