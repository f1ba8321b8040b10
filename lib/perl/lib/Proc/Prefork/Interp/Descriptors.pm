package Proc::Prefork::Interp::Descriptors;

# What setup has open at the fork point, and what an executor makes of it.
#
#   in setup                      in the executor
#   0, 1, 2                       the request's stdin, stdout, stderr
#   a duplicate of one of them    a duplicate of the request's, under the same number
#   a regular file for reading    opened anew at the same offset: an inherited offset
#                                 is shared with all other executors
#   all else                      as it is
#
# All is done below PerlIO, so handles keep their layers. See docs/protocol.md,
# "What an executor does", 2 and 3.

use 5.020;    # brings strict, and loads no file that the script would see in %INC

sub ACCESS ()    { 3 }          # what fdinfo shows as flags, and the masks in them
sub O_APPEND ()  { 02000 }
sub O_CLOEXEC () { 02000000 }

my @kept;    # handles that must stay open

# survey(@own) looks at all open descriptors but those of the library. Returns
# a reference to a hash: duplicates, a list of [number, standard, flags for replace],
# and files, a list of { number, flags }.
sub survey {
    my (@own) = @_;
    my %survey = (duplicates => _duplicates(@own), files => []);
    my %known  = map { $_ => 1 } @own, map { $_->[0] } @{ $survey{duplicates} };
    for my $number (grep { !$known{$_} && -f "/proc/self/fd/$_" } _numbers()) {
        my $found = _inspect($number) or next;
        next if $found->{flags} & ACCESS;
        push @{ $survey{files} }, { number => $number, flags => $found->{flags} & O_CLOEXEC };
    }
    return \%survey;
}

# renew($survey, @own) looks for duplicates anew: a script may have made some, and closed others.
sub renew {
    my ($survey, @own) = @_;
    $survey->{duplicates} = _duplicates(@own);
    return;
}

# The duplicates of 0, 1 and 2, but for those of the library.
sub _duplicates {
    my %own     = map { $_ => 1 } @_;
    my @numbers = grep { !$own{$_} } _numbers() or return [];
    my @places  = grep { defined } map { readlink "/proc/self/fd/$_" } 0 .. 2;
    my (@standard, @duplicates);
    for my $number (@numbers) {
        my $place = readlink "/proc/self/fd/$number" // next;
        next unless grep { $_ eq $place } @places;
        @standard = map { _inspect($_) } 0 .. 2 unless @standard;
        my $found = _inspect($number) or next;
        my $of    = _original($found, @standard) // next;
        push @duplicates, [$number, $of, $found->{flags} & O_CLOEXEC];
    }
    return \@duplicates;
}

# All that are open above 2.
sub _numbers {
    opendir my $folder, '/proc/self/fd' or return;
    return map { /^(\d+)$/ && $1 > 2 ? $1 + 0 : () } readdir $folder;
}

# Where a descriptor leads, its flags and its offset; nothing if it is closed.
sub _inspect {
    my ($number) = @_;
    my $place = readlink "/proc/self/fd/$number";
    return unless defined $place;
    my ($offset, $flags) = _info($number) =~ /^pos:\s*(\d+)\nflags:\s*(\d+)/m or return;
    return { place => $place, flags => oct $flags, offset => $offset };
}

sub _info {
    my ($number) = @_;
    open my $info, '<', "/proc/self/fdinfo/$number" or return '';
    binmode $info;    # a default layer for text forbids sysread
    sysread $info, my $text, 4096;
    return $text // '';
}

# Which of the three a descriptor is a duplicate of. Where 1 and 2 lead to the same
# place, the launcher has set O_APPEND on 1 only; one that has not done so has made
# both of its own stderr.
sub _original {
    my ($found, @standard) = @_;
    my @same = grep {
        my $to = $standard[$_];
        $to && $to->{place} eq $found->{place}
            && !(($to->{flags} ^ $found->{flags}) & ACCESS)
    } 0 .. 2;
    return $same[0] if @same < 2;
    my ($exact) = grep { !(($standard[$_]{flags} ^ $found->{flags}) & O_APPEND) } reverse @same;
    return $exact // 2;
}

# note_offsets($survey) remembers where the files are. It is called after the first
# fork: fork has flushed all handles, and a handle that has read ahead goes back to
# where its reader is when it is flushed.
sub note_offsets {
    my ($survey) = @_;
    for my $file (grep { !defined $_->{offset} } @{ $survey->{files} }) {
        my $found = _inspect($file->{number}) or next;
        $file->{offset} = $found->{offset};
    }
    return;
}

# give($survey, $stdin, $stdout, $stderr) puts numbers in the place of the standard ones and their duplicates; one that is
# undef stays as it is. The numbers themselves stay open.
sub give {
    my ($survey, @given) = @_;
    for my $standard (grep { defined $given[$_] } 0 .. $#given) {
        Proc::Prefork::Interp::Syscall::replace($given[$standard], $standard, 0)
            or die "cannot replace descriptor $standard: $!\n";
    }
    for my $duplicate (@{ $survey->{duplicates} }) {
        my ($number, $of, $flags) = @$duplicate;
        next unless defined $given[$of];
        Proc::Prefork::Interp::Syscall::replace($given[$of], $number, $flags)
            or die "cannot replace descriptor $number: $!\n";
    }
    return;
}

# separate($survey) opens the files anew. One that this process may not open, or that
# setup has closed since, stays as it is, at the right offset at least.
sub separate {
    my ($survey) = @_;
    for my $file (@{ $survey->{files} }) {
        my $number = $file->{number};
        next unless defined $file->{offset};
        sysopen my $anew, "/proc/self/fd/$number", 0 or next;    # O_RDONLY
        binmode $anew;
        sysseek $anew, $file->{offset}, 0 or next;
        Proc::Prefork::Interp::Syscall::replace(fileno $anew, $number, $file->{flags});
    }
    return;
}

# nothing($survey, @which) puts /dev/null on these of 0, 1 and 2, and on those that are
# closed: a descriptor that is received must not get such a number.
sub nothing {
    my %wanted = map { $_ => 1 } @_;
    open my $null, '+<', '/dev/null' or die "cannot open /dev/null: $!\n";
    for my $standard (0 .. 2) {
        next unless $wanted{$standard} || !defined readlink "/proc/self/fd/$standard";
        next if fileno $null == $standard;
        Proc::Prefork::Interp::Syscall::replace(fileno $null, $standard, 0);
    }
    if (fileno $null < 3) {    # it is one of them: keep it open
        push @kept, $null;
    }
    return;
}

# forget_end() clears the end-of-file that STDIN remembers if setup has read it. Descriptor 0
# is on /dev/null then, where seek works; on a pipe it would change nothing.
sub forget_end {
    return if tied *STDIN || !defined fileno STDIN || fileno STDIN != 0;
    local $.;    # seek makes STDIN the handle that messages name
    seek STDIN, 0, 1;
    return;
}

1;
