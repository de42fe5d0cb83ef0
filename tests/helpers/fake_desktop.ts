import { tempDir } from "./files.ts";

/** Stands for `secret-tool`, as it answers where the keychain is locked and its user does not unlock it. */
const SECRET_TOOL = `#!/bin/sh
cd "$(dirname "$0")"
action=$1
for name; do :; done
case $action in
  store) cat > "item-$name" ;;
  search) cat "item-$name" 2> /dev/null ;;
  lookup)
    echo >> asked
    test ! -e locked && cat "item-$name" 2> /dev/null ;;
esac
`;

/** A desktop of Linux whose keychain is in a directory, can be locked, and counts how often it is asked. */
export class FakeDesktop implements AsyncDisposable {
  readonly #dir: Awaited<ReturnType<typeof tempDir>>;

  private constructor(dir: Awaited<ReturnType<typeof tempDir>>) {
    this.#dir = dir;
  }

  static async open(): Promise<FakeDesktop> {
    const dir = await tempDir({ "secret-tool": SECRET_TOOL });
    await Deno.chmod(`${dir.path}/secret-tool`, 0o700);
    return new FakeDesktop(dir);
  }

  /** The environment of a program that is on it. */
  get env(): Record<string, string> {
    return { PATH: `${this.#dir.path}:${Deno.env.get("PATH")}`, EXAI_KEYCHAIN: "auto" };
  }

  async lock(): Promise<void> {
    await this.#dir.write("locked", "");
  }

  async unlock(): Promise<void> {
    await Deno.remove(`${this.#dir.path}/locked`);
  }

  /** The one item that is kept. */
  async item(): Promise<string> {
    for await (const { name } of Deno.readDir(this.#dir.path)) {
      if (name.startsWith("item-")) return await Deno.readTextFile(`${this.#dir.path}/${name}`);
    }
    throw new Error("nothing is kept");
  }

  /** How often it was asked for an item. */
  async asked(): Promise<number> {
    return (await Deno.readTextFile(`${this.#dir.path}/asked`)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dir[Symbol.asyncDispose]();
  }
}
