package Proc::Prefork::Interp::Ending;

# How an executor ends.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

# flush() writes what all handles of this process still hold. perl does that before it replaces itself by
# another program; there is none with an empty name, so nothing else happens. Returns false
# where -T forbids even that.
sub flush {
    local ($!, $@, $SIG{__DIE__});
    local $^W = 0;
    local @ENV{qw(PATH IFS CDPATH ENV BASH_ENV)} if ${^TAINT};
    return eval { { exec {''} '' } 1 };
}

# is_clean($handle, $flags) tells whether none of these flags is set in a layer of the handle.
sub is_clean {
    my ($handle, $flags) = @_;
    my @layers = PerlIO::get_layers($handle, details => 1);
    while (my (undef, undef, $set) = splice @layers, 0, 3) {
        return '' if $set & $flags;
    }
    return 1;
}

1;
