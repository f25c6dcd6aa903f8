/** Tests speak English. */
import { use } from './m';

await use('en');
