#include "volume/volume_ref.h"

#include <errno.h>
#include <string.h>
#include <varve/error.h>

#include "volume/volume_name.h"

/* What a ref of that form would name, or NULL. Looked at in this order: a name may hold ".." but no
 * other mark, so a text that is a valid name was taken for one before. */
static const char *form_of(const char *text)
{
    if (strstr(text, "..") != NULL)
        return "a difference";
    if (strchr(text, ':') != NULL || strchr(text, '/') != NULL)
        return "a dataset's version";
    if (strchr(text, '@') != NULL)
        return "a snapshot";
    return NULL;
}

int volume_ref_parse(const char *text, struct volume_ref *ret_ref)
{
    size_t length = strlen(text);
    const char *form;

    if (name_is_valid(text, length)) {
        memcpy(ret_ref->volume, text, length + 1);
        return 0;
    }
    if (length == 0)
        return varve_fail(EINVAL, "no volume was named; 'varve volumes list' shows what there is");
    form = form_of(text);
    if (form != NULL)
        return varve_fail(ENOTSUP,
                          "'%s' has the form of %s, and this version of varve serves only volumes",
                          show_text(text).text, form);
    return name_check(text);
}
