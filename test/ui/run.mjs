// Runs the browser journeys, a file at a time; names on the command line choose among them. A file that fails runs once more, and is named at
// the end: browsers, cameras and disks are real here, and a machine that is busy for a moment is not a fault of the product. More than two such
// files are one.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const allowed = 2

/** Runs the journeys of one file, and says whether all of them passed. */
function passes(file) {
  const run = spawnSync(process.execPath, ['--test', '--test-timeout=600000', '--test-reporter=spec', file], { cwd: here, stdio: 'inherit' })
  return run.status === 0
}

const chosen = process.argv.slice(2)
const files = readdirSync(here).filter((name) => name.endsWith('.test.mjs') && (chosen.length === 0 || chosen.includes(name))).sort()
const again = []
for (const file of files) {
  console.log(`== ${file}`)
  if (!passes(file)) again.push(file)
}
if (files.length === 0) console.error('there are no such journeys')
let ok = files.length > 0 && again.length <= allowed
if (ok)
  for (const file of again) {
    console.log(`== ${file}, once more`)
    if (!passes(file)) ok = false
  }
if (again.length > 0) console.log(`failed at first: ${again.join(', ')}`)
process.exit(ok ? 0 : 1)
