export { seeded } from "../../tools/lib/random.ts";
