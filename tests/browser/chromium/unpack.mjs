// Unpacks Chromium, the libraries it needs and a font into the folder `unpacked` beside this program.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// Fonts of the machine are left out, so that a page has the same widths everywhere.
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir></fontconfig>
`;

const folder = join(import.meta.dirname, "unpacked");
mkdirSync(folder);
// The package unpacks into the temporary folder, and the libraries only where it recognises Lambda.
process.env.TMPDIR = folder;
process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs24.x";
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
writeFileSync(join(folder, "fonts/fonts.conf"), FONTS);
rmSync(join(import.meta.dirname, "node_modules"), { recursive: true });
