/* From errors to exit codes. */
#include "exit_codes.h"

#include <errno.h>

enum exit_code exit_code_of(int error)
{
    switch (-error) {
    case 0:
        return EXIT_DONE;
    case EINVAL:
    case ERANGE:
    case EOVERFLOW:
    case ENAMETOOLONG:
        return EXIT_USAGE;
    case ENOENT:
        return EXIT_NOT_FOUND;
    case EBUSY:
        return EXIT_BUSY;
    case ENOSPC:
    case EDQUOT:
        return EXIT_NO_SPACE;
    case EIO:
        return EXIT_DAMAGED;
    case EPERM:
    case EACCES:
    case EROFS:
        return EXIT_NOT_PERMITTED;
    case EEXIST:
    case ENOTEMPTY:
        return EXIT_EXISTS;
    case ESTALE:
        return EXIT_STALE;
    case ECANCELED:
        return EXIT_CANCELLED;
    default:
        return EXIT_FAILED;
    }
}
