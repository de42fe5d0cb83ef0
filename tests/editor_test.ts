import { assertEquals } from "@std/assert";
import { editorCommand } from "../lib/config/editor.ts";

const none = () => false;

Deno.test("the editor is the one the user has named, with its flags, else what the system comes with", () => {
  assertEquals(editorCommand({ VISUAL: "code --wait", EDITOR: "vi" }, "linux", none), ["code", "--wait"]);
  assertEquals(editorCommand({ VISUAL: " ", EDITOR: "vi" }, "linux", none), ["vi"]);
  assertEquals(editorCommand({ EDITOR: "'/opt/my editor/bin' -n" }, "darwin", none), [
    "/opt/my editor/bin",
    "-n",
  ]);
  const quoted = '"C:\\Program Files\\Notepad++\\notepad++.exe" -multiInst';
  assertEquals(editorCommand({ EDITOR: quoted }, "windows", none), [
    "C:\\Program Files\\Notepad++\\notepad++.exe",
    "-multiInst",
  ]);
  assertEquals(editorCommand({}, "windows", none), ["notepad.exe"]);
  assertEquals(editorCommand({}, "darwin", none), ["open", "-W", "-t"]);
  assertEquals(editorCommand({}, "linux", (program) => program === "vi"), ["vi"]);
  assertEquals(editorCommand({}, "linux", none), undefined);
});
