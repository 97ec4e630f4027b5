import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readBugs, repositoryRoot } from './bug-list.js';
import { renderPage } from './render-page.js';

/** `npm run original-bugs`: writes the page. */
writeFileSync(join(repositoryRoot, 'ORIGINAL-BUGS.md'), renderPage(readBugs()));
