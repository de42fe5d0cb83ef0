import { basename, join } from "@std/path";
import { ExaiError, messageOf, UsageError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { statePaths } from "../config/paths.ts";
import { toolTemplate } from "../user_tools/tool_template.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";

export const newToolCommand: Action = {
  summary: "Write a tool of your own to begin with",
  forms: [{ args: "NAME", does: "writes a tool of your own to begin with, never over one that is there" }],
  run: newTool,
};

/**
 * @throws {UsageError} for an invalid name
 * @throws {ExaiError} `CONFIG` for a file that exists, a directory that cannot be used
 */
async function newTool({ args, settings }: Invocation): Promise<CommandResult> {
  const [name = "", ...rest] = args;
  if (rest.length > 0 || !/^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new UsageError(
      `${
        quoteName(args.join(" "))
      } cannot be the name of a tool; new-tool NAME takes 1 to 64 of A-Z a-z 0-9 _ -, ` +
        "the first no _",
    );
  }
  const { tools: dir } = statePaths(settings);
  const path = join(dir, `${name}.js`);
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    await Deno.writeTextFile(path, toolTemplate(name), { createNew: true, mode: 0o600 });
  } catch (thrown) {
    if (thrown instanceof Deno.errors.AlreadyExists) {
      throw new ExaiError(
        "CONFIG",
        `${path} is there already and stays as it is; choose another name or change it`,
      );
    }
    throw new ExaiError(
      "CONFIG",
      `${path} cannot be written: ${messageOf(thrown)}; EXAI_TOOLS_DIR (--tools-dir) names another directory`,
    );
  }
  const text = [
    `wrote ${path}`,
    `A running daemon offers the tool ${
      basename(path, ".js")
    } at once; change the file, save it, and windows see the change.`,
    "exai-daemon reload says what is wrong with it; docs/user-tools.md has the contract.",
  ].join("\n");
  return { text, json: { tool: name, path } };
}
