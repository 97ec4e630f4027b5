import { generate } from './generate.js';
import { recipes } from './recipes.js';

/** `npm run golden`: makes the stores under `data/golden` anew, all of them or those that are named. */
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !recipes.some((recipe) => recipe.name === name));
if (unknown.length > 0) throw new Error(`no such golden store: ${unknown.join(', ')}`);

for (const recipe of recipes) {
  if (wanted.length > 0 && !wanted.includes(recipe.name)) continue;
  const count = await generate(recipe);
  process.stdout.write(`${recipe.name}: ${count} messages\n`);
}
