import { basename, join } from "@std/path";
import { ExaiError, messageOf } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { statePaths } from "../config/paths.ts";
import { toolTemplate } from "../user_tools/tool_template.ts";
import type { Command, Invocation } from "./command.ts";

export const newToolCommand: Command = {
  summary: "Write a tool of your own to begin with",
  forms: [{ args: "NAME", does: "writes a tool of your own to begin with, never over one that is there" }],
  run: newTool,
};

/** @throws {ExaiError} `CONFIG` for an invalid name, a file that exists, a directory that cannot be used */
async function newTool({ args, settings }: Invocation): Promise<string> {
  const [name = "", ...rest] = args;
  if (rest.length > 0 || !/^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new ExaiError(
      "CONFIG",
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
  return [
    `wrote ${path}`,
    `A running daemon offers the tool ${
      basename(path, ".js")
    } at once; change the file, save it, and windows see the change.`,
    "exai-daemon reload says what is wrong with it; docs/user-tools.md has the contract.",
  ].join("\n");
}
